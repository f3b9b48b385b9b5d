"""Names who spends for the requests that a page makes, bounds what its pictures take, and tells staff that their jobs
are over.
"""

from collections.abc import Callable

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.template.response import SimpleTemplateResponse
from django.urls import Resolver404, resolve, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import ngettext

from media_catalog.imaging.apart import at_most
from media_catalog.jobs import words
from media_catalog.jobs.progress import Progress, progresses
from media_catalog.jobs.telling import take_untold
from media_catalog.models import Job
from media_catalog.quota.attribution import attribute


def attribute_requests(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    def middleware(request: HttpRequest) -> HttpResponseBase:
        user = getattr(request, "user", None)
        try:
            action = resolve(request.path_info).view_name
        except Resolver404:
            action = ""
        with attribute(username=user.get_username() if user else "", action=action):
            return get_response(request)

    return middleware


def bound_decoding(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Who waits for a page gets its answer, whatever a picture asks of its decoder."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        with at_most(settings.WEB_DECODING_SECONDS):
            return get_response(request)

    return middleware


class FinishedJobs:
    """On the next page of the admin, one message for each job of the user that is over, once.

    Answers that are not pages (redirects, the figures that pages poll) tell nothing: nobody would read it.
    """

    MOST = 5  # messages at a time

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_template_response(
        self, request: HttpRequest, response: SimpleTemplateResponse
    ) -> SimpleTemplateResponse:
        match = request.resolver_match
        if request.method == "GET" and match and match.app_name == "admin" and request.user.pk:
            self._tell(request, take_untold(request.user.pk))
        return response

    def _tell(self, request: HttpRequest, jobs: list[Job]) -> None:
        found = progresses(jobs[: self.MOST])
        for job in jobs[: self.MOST]:
            fine = job.state == Job.State.FINISHED and not found[job.pk].failed
            messages.add_message(request, messages.SUCCESS if fine else messages.WARNING, _said(job, found[job.pk]))
        if more := len(jobs) - self.MOST if len(jobs) > self.MOST else 0:
            said = ngettext("%(count)d more of your jobs is over.", "%(count)d more of your jobs are over.", more)
            url = reverse("admin:media_catalog_job_changelist")
            messages.info(request, format_html('<a href="{}">{}</a>', url, said % {"count": more}))


def _said(job: Job, so_far: Progress) -> SafeString:
    url = reverse("admin:media_catalog_job_change", args=[job.pk])
    link = format_html('<a href="{}">{}</a>', url, words.title(job))
    return format_html("{}: {}. {}.", link, job.get_state_display(), words.summary(so_far))
