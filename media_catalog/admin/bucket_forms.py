"""The forms of a bucket: what it is for, and its settings at S3."""

from dataclasses import asdict
from typing import Any

from django import forms
from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from media_catalog.models import Bucket
from media_catalog.services import bucket_names, bucket_settings, buckets
from media_catalog.services.bucket_settings import BucketSettings

LONGEST_DAYS = 3650
PROBLEMS: dict[str, str | Promise] = {
    bucket_names.LENGTH: gettext_lazy("A name has 3 to 63 characters."),
    bucket_names.CHARACTERS: gettext_lazy("Only small letters a–z, digits, hyphens and periods are allowed."),
    bucket_names.ENDS: gettext_lazy("It begins and ends with a letter or a digit."),
    bucket_names.ADJACENT_PERIODS: gettext_lazy("Two periods must not stand side by side."),
    bucket_names.IP_ADDRESS: gettext_lazy("It must not look like an IP address."),
    bucket_names.RESERVED_PREFIX: gettext_lazy("AWS reserves names that begin with xn--, sthree- or amzn-s3-demo-."),
    bucket_names.RESERVED_SUFFIX: gettext_lazy(
        "AWS reserves names that end with -s3alias, --ol-s3, .mrap, --x-s3, --table-s3 or -an."
    ),
}


class PurposeForm(forms.Form):
    """What a bucket is for. Costs no request."""

    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=Bucket.Role.choices, initial=Bucket.Role.ORIGINALS)
    renditions_bucket = forms.ModelChoiceField(
        label=gettext_lazy("Renditions bucket"),
        queryset=Bucket.objects.none(),
        required=False,
        help_text=gettext_lazy("Of a bucket for originals: where its renditions go. Without one, nothing is uploaded."),
    )
    originals_bucket = forms.ModelChoiceField(
        label=gettext_lazy("Originals bucket"),
        queryset=Bucket.objects.none(),
        required=False,
        help_text=gettext_lazy("Of a bucket for renditions: whose images they are of."),
    )
    accepts = forms.ChoiceField(
        label=gettext_lazy("Accepts"),
        choices=Bucket.Accepts.choices,
        help_text=gettext_lazy("What staff may upload. A bucket for originals takes images only."),
    )

    def __init__(self, *args: Any, bucket: Bucket | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mine = bucket.pk if bucket else 0
        present = Bucket.objects.filter(missing_since=None)
        present = present.exclude(pk=mine)
        free = present.filter(originals_bucket=None) | present.filter(originals_bucket=mine)
        self._choose("renditions_bucket", free.filter(role=Bucket.Role.RENDITIONS))
        alone = present.filter(renditions_bucket=None) | present.filter(renditions_bucket=mine)
        self._choose("originals_bucket", alone.filter(role=Bucket.Role.ORIGINALS))

    def _choose(self, name: str, buckets: Any) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101  (declared above)
        field.queryset = buckets.order_by("name")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        role = data.get("role")
        wrong = {"renditions_bucket": Bucket.Role.ORIGINALS, "originals_bucket": Bucket.Role.RENDITIONS}
        for name, its_role in wrong.items():
            if data.get(name) and role != its_role:
                self.add_error(name, _("Only a bucket of the role “%(role)s” has one.") % {"role": its_role.label})
        if role == Bucket.Role.ORIGINALS and data.get("accepts") == Bucket.Accepts.ANY:
            self.add_error("accepts", _("A bucket for originals takes images only."))
        return data

    def purpose(self) -> dict[str, Any]:
        """The arguments of `services.buckets.assign`, of a valid form."""
        data = self.cleaned_data
        return {
            "role": data["role"],
            "accepts": data["accepts"],
            "partner": data["renditions_bucket"] or data["originals_bucket"],
        }


class SettingsForm(PurposeForm):
    """With the settings at S3, each of which costs requests when it changes."""

    block_public_access = forms.BooleanField(
        label=gettext_lazy("Block all public access"),
        required=False,
        help_text=gettext_lazy("Staff see objects by this site and by links that expire; nobody else needs access."),
    )
    encryption = forms.ChoiceField(
        label=gettext_lazy("Encryption"),
        choices=[("AES256", gettext_lazy("Keys of S3 (AES-256)")), ("aws:kms", gettext_lazy("Keys of AWS KMS"))],
        help_text=gettext_lazy("AWS bills requests to KMS beside those of S3; they are not counted here."),
    )
    versioning = forms.BooleanField(
        label=gettext_lazy("Keep older versions"),
        required=False,
        help_text=gettext_lazy(
            "What is overwritten or deleted can be restored with AWS tools until its version expires, and is paid so"
            " long. Recommended for originals, not for renditions."
        ),
    )
    old_versions_days = forms.IntegerField(
        label=gettext_lazy("Expire older versions after (days)"),
        help_text=gettext_lazy("0: never."),
        min_value=0,
        max_value=LONGEST_DAYS,
    )
    cors = forms.BooleanField(
        label=gettext_lazy("Let browsers on this site read and upload (CORS)"),
        required=False,
        help_text=gettext_lazy("For direct uploads. Only with links and forms that this site has signed."),
    )
    multipart_days = forms.IntegerField(
        label=gettext_lazy("End unfinished uploads after (days)"),
        help_text=gettext_lazy("0: never."),
        min_value=0,
        max_value=LONGEST_DAYS,
    )
    temp_days = forms.IntegerField(
        label=gettext_lazy("Delete objects under temp/ after (days)"),
        help_text=gettext_lazy("0: never. Originals of direct uploads are there: with a rule they are lost after it."),
        min_value=0,
        max_value=LONGEST_DAYS,
    )

    def settings(self) -> BucketSettings:
        """Of a valid form."""
        names = BucketSettings.__dataclass_fields__
        return BucketSettings(**{name: self.cleaned_data[name] for name in names})


class CreateForm(SettingsForm):
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=255,
        help_text=gettext_lazy("3 to 63 small letters, digits, hyphens and periods; unique in all of S3."),
        widget=forms.TextInput(attrs={"class": "vTextField", "autofocus": True, "autocomplete": "off"}),
    )
    region = forms.ChoiceField(
        label=gettext_lazy("Region"),
        help_text=gettext_lazy(
            "Rekognition reads buckets of the site’s own region only, and requests elsewhere are redirected at first."
        ),
    )
    field_order = ["name", "region"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        initial = {**asdict(bucket_settings.DEFAULTS), "region": settings.AWS_REGION}
        super().__init__(*args, initial=initial, **kwargs)
        region = self.fields["region"]
        assert isinstance(region, forms.ChoiceField)  # noqa: S101  (declared above)
        region.choices = [(name, name) for name in buckets.regions()]
        if prefix := settings.MANAGED_BUCKET_PREFIX:
            begins = _("It begins with “%(prefix)s”.") % {"prefix": prefix}
            self.fields["name"].help_text = f"{self.fields['name'].help_text} {begins}"

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if not name.startswith(settings.MANAGED_BUCKET_PREFIX):
            text = _("Begin the name with “%(prefix)s”: AWS lets this site create no other buckets.")
            raise forms.ValidationError(text % {"prefix": settings.MANAGED_BUCKET_PREFIX})
        if problems := bucket_names.bucket_name_problems(name):
            raise forms.ValidationError([str(PROBLEMS[problem]) for problem in problems])
        return name
