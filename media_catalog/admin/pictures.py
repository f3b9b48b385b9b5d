"""Pictures on pages: previews through our own view, so that a page costs no AWS request that was made before."""

from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.utils.html import format_html
from django.utils.http import quote_etag
from django.utils.translation import gettext as _

from media_catalog.models import Image, Rendition
from media_catalog.services import previews

BROWSER_SECONDS = 24 * 3600
SIZES = "(max-width: 767px) 45vw, 200px"  # a card on phones; a row of the list or a card of the gallery elsewhere


def thumbnail(image: Image) -> str:
    """An image fetched `with_thumbnails` as small as its place allows, or a box that says there is no preview yet."""
    prefetched: list[Rendition] = image.thumbnails  # type: ignore[attr-defined]  # annotated
    if not prefetched:
        return format_html('<span class="bo-thumb bo-thumb-none">{}</span>', _("No preview yet"))
    smallest = prefetched[0]
    return format_html(
        '<img class="bo-thumb" src="{}" srcset="{}" sizes="{}" width="{}" height="{}" loading="lazy" alt="{}">',
        preview_url(image, smallest),
        srcset(image, prefetched),
        SIZES,
        smallest.width,
        smallest.height,
        image.caption or image.name,
    )


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
