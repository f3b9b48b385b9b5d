"""Pictures on pages: previews through our own view, so that a page costs no AWS request that was made before."""

from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.utils.html import format_html
from django.utils.http import quote_etag
from django.utils.translation import gettext as _

from media_catalog.models import Image, Preset, Rendition
from media_catalog.services import previews, renditions

from .layout import GALLERY, LIST

BROWSER_SECONDS = 24 * 3600
PLACE = 3 / 2  # width to height of a thumbnail's place, which cuts what has another shape


def thumbnail(image: Image, *, layout: str = LIST) -> str:
    """An image fetched `with_renditions` as small as its place allows, or a box that says there is no preview yet.

    `layout`: of the list of images, as `layout.chosen` tells it.
    """
    made: list[Rendition] = image.made  # type: ignore[attr-defined]  # annotated
    # The place cuts sides anyway, so a thumbnail that is cut itself will do.
    shown = _whole(image, made) or [each for each in made if each.preset.slug in renditions.SHOWN][:1]
    if not shown:
        return format_html('<span class="bo-thumb bo-thumb-none">{}</span>', _("No preview yet"))
    return format_html(
        '<img class="bo-thumb" src="{}" srcset="{}" sizes="{}" width="{}" height="{}" loading="lazy" alt="{}">',
        preview_url(image, shown[0]),
        srcset(image, shown),
        _sizes(layout, max(1, image.width / image.height / PLACE)),
        shown[0].width,
        shown[0].height,
        image.caption or image.name,
    )


def _sizes(layout: str, spread: float) -> str:
    """How wide the picture is shown, as the style sheets lay it out; `spread` times as wide as its place, where that
    cuts its sides.
    """
    row, card = f"{96 * spread:.0f}px", f"min({46 * spread:.0f}vw, {200 * spread:.0f}px)"
    return {LIST: row, GALLERY: card}.get(layout, f"(max-width: 767px) {card}, {row}")


def annotated(image: Image) -> str:
    """The picture that lies under the face boxes; nothing while no rendition shows all of it. One query."""
    shown = _whole(image, list(image.renditions.select_related("preset").order_by("width", "pk")))
    if not shown:
        return ""
    height = f"66vh * {image.width / image.height:.4f}"
    return format_html(
        '<img src="{}" srcset="{}" sizes="{}" width="{}" height="{}" alt="">',
        preview_url(image, shown[-1]),
        srcset(image, shown),
        f"(min-width: 1101px) min(60vw, {height}), min(100vw, {height})",
        image.width,
        image.height,
    )


def _whole(image: Image, made: Sequence[Rendition]) -> list[Rendition]:
    """Of its renditions, narrowest first, those that may stand for one another on a page: that show all of the image.

    None wider than the preview, where that is among them; of an earlier object only where there is no other.
    """
    whole = [each for each in made if each.is_whole]
    whole = [each for each in whole if each.source_etag == image.etag] or whole
    widest = next((each.width for each in whole if each.preset.slug == Preset.PREVIEW), None)
    return [each for each in whole if widest is None or each.width <= widest]


def animated_tag(image: Image) -> str:
    """Nothing for others."""
    if not image.animated:
        return ""
    return format_html(
        '<span class="bo-tag bo-none" title="{}">{}</span>', _("Renditions show the first frame"), _("Animated")
    )


def srcset(image: Image, shown: Sequence[Rendition]) -> str:
    """Renditions with their widths, for the browser to choose from by the place and the screen."""
    return ", ".join(f"{preview_url(image, rendition)} {rendition.width}w" for rendition in shown)


def preview_url(image: Image, rendition: Rendition) -> str:
    """Changes with the bytes, so a browser never shows an old picture."""
    url = reverse("admin:media_catalog_image_preview", args=[image.pk, rendition.preset.slug])
    return f"{url}?v={previews.tag(rendition)}"


def serve(request: HttpRequest, rendition: Rendition) -> HttpResponse:
    """The bytes of a rendition: for this user's browser only, never sniffed, 304 when it has them."""
    etag = quote_etag(previews.tag(rendition))
    answer = HttpResponse(
        content_type=rendition.content_type,
        headers={
            "ETag": etag,
            "Cache-Control": f"private, max-age={BROWSER_SECONDS}",
            "X-Content-Type-Options": "nosniff",
            "Content-Disposition": "inline",
        },
    )
    unchanged = get_conditional_response(request, etag=etag, response=answer)
    if isinstance(unchanged, HttpResponseNotModified):
        return unchanged
    body = previews.fetch(rendition)
    if body is None:
        return refusal(_("This rendition no longer exists at S3."), status=404)
    answer.content = body
    return answer


def refusal(sentence: str, *, status: int) -> HttpResponse:
    """Why there is no picture. Not to be kept: it may be there the next time."""
    return HttpResponse(
        sentence, status=status, content_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-store"}
    )
