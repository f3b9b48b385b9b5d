"""Why a bucket or an object is refused, in words."""

from collections.abc import Callable

from django.template.defaultfilters import filesizeformat
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from media_catalog.exceptions import BucketRefused, ObjectRefused

from . import object_keys

_BUCKETS: dict[str, Callable[[], str]] = {
    "known": lambda: _("The list of buckets has this name already."),
    "ours": lambda: _("The account has this bucket already. Synchronise with S3 to see it in the list."),
    "taken": lambda: _("This name is taken by another account: bucket names are unique in all of S3."),
    "held": lambda: _("The bucket is under legal hold: it must not be emptied or deleted."),
    "of_the_site": lambda: _("The settings of this site name this bucket, so it cannot be deleted here."),
    "has_renditions_of": lambda: _(
        "It is paired with “%(originals)s”. End the pairing in the settings of that bucket, or delete that one first."
    ),
    "has_images": lambda: _("The catalogue has images in it (%(count)s)."),
    "has_files": lambda: _("The catalogue has files in it (%(count)s)."),
    "has_renditions": lambda: _("The catalogue has renditions in it (%(count)s)."),
    "pair_taken": lambda: _("“%(originals)s” is paired already: a renditions bucket serves one bucket for originals."),
}
_OBJECTS: dict[str, Callable[[], str]] = {
    "rendition": lambda: _("This is a rendition: it goes with its image."),
    "catalogued": lambda: _("This is an image of the catalogue: it is removed with its renditions, by a job."),
    "catalogued_file": lambda: _(
        "This is a file of the catalogue: it is deleted, or left as it is, on the page of files."
    ),
    "moved": lambda: _("The image has just been moved or changed by somebody else. Look at it, then try again."),
    "not_for_images": lambda: _("Catalogued images can only be in a bucket for originals that is paired."),
    "being_uploaded": lambda: _("An upload is under way under this key."),
    "key_too_long": lambda: _("The key has more than %(limit)s bytes of UTF-8."),
    "key_empty": lambda: _("Give a key."),
    "key_characters": lambda: _("The key has characters that S3 cannot store."),
    "key_reserved": lambda: _(
        "Keys that begin with “trash/” or “quarantine/” are kept for what this site moves aside."
    ),
    "key_of_rendition": lambda: _(
        "Keys like “low/photo.jpg.0123456789ab-v1.jpg” and “image/<32 digits>_small.jpg” are kept for renditions."
        " Choose another name or folder."
    ),
    "replaces_rendition": lambda: _(
        "One rendition was not made: by the key of this image it would replace the rendition of another image. Choose"
        " “Rename or move” in the browser of objects, then make the renditions again."
    ),
    "unknown_image": lambda: _(
        "In a bucket for originals each object is an image of the catalogue, and this one would be none. Move an image,"
        " or download it and upload it there."
    ),
    "unknown_object": lambda: _(
        "The catalogue has what this bucket holds, and would not know this object. Upload it on the page “Files”, with"
        " a description, or choose another bucket."
    ),
    "renditions_bucket": lambda: _("Only renditions are written to this bucket."),
    "not_permitted": lambda: _("Who has asked for this may not delete it."),
    "not_for_finding": lambda: _("What was found does not allow this (any more)."),
    "unpaired": lambda: _("The bucket is not paired with one for renditions, so there is no place for them."),
    "too_large": lambda: _("The file has %(size)s; at most %(limit)s are accepted."),
    "too_large_for_trash": lambda: _(
        "The object has %(size)s. S3 copies at most %(limit)s in one request, so it cannot be moved to the trash:"
        " delete it with AWS tools."
    ),
    "too_large_to_copy": lambda: _(
        "The object has %(size)s. S3 copies at most %(limit)s in one request: copy or move it with AWS tools."
    ),
    "copy_uncertain": lambda: _(
        "An object lies under the new key. It may be the copy of a job that was cut off, or somebody else's: compare"
        " both, and delete the one that is not needed. Nothing was deleted."
    ),
    "changed": lambda: _("S3 holds another object under this key by now. Nothing was done with it."),
    "held": lambda: _("The bucket is under legal hold: what it holds must not be removed."),
    "not_in_trash": lambda: _("The object is not in the trash any more."),
    "left_catalogue": lambda: _("It was moved to the trash or deleted meanwhile, so the change was not saved."),
    "not_for_files": lambda: _("Catalogued files can only be in a general bucket that accepts files of any type."),
    "description_length": lambda: _("A description has 4 to 80 characters."),
    "name_empty": lambda: _("Give a name: each one in this bucket has its own."),
    "name_too_long": lambda: _("Names in this bucket have at most 80 characters."),
    "name_taken": lambda: _("This name is taken: each one in this bucket has its own."),
    "names_not_unique": lambda: _(
        "Some names in it are the same, or have more than 80 characters. Change these first."
    ),
}


def bucket_refused(error: BucketRefused) -> str:
    facts = {
        name: number_format(value, force_grouping=True) if isinstance(value, int) else value
        for name, value in error.facts.items()
    }
    return _BUCKETS[error.reason]() % facts


def object_refused(error: ObjectRefused) -> str:
    facts: dict[str, object] = {"limit": number_format(object_keys.MAX_BYTES, force_grouping=True)}
    facts |= {name: filesizeformat(str(value)) for name, value in error.facts.items()}
    return _OBJECTS[error.reason]() % facts
