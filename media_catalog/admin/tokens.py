"""API tokens: issued, shown once, and revoked. Each leaves a history entry."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION, CHANGE
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from media_catalog.models import ApiToken
from media_catalog.services import api_tokens

from .base import ReadOnlyAdmin
from .history import log, staff


class TokenForm(forms.ModelForm):
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("Scopes"),
        choices=ApiToken.Scope.choices,
        initial=[ApiToken.Scope.UPLOAD, ApiToken.Scope.READ],
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("What the program may do, within the permissions of the user."),
    )

    class Meta:
        model = ApiToken
        fields = ["name", "user", "scopes", "expires_at"]
        widgets = {
            "name": forms.TextInput(attrs={"class": "vTextField"}),
            "expires_at": forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        }

    def __init__(self, *args: Any, issuer: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        users = self.fields["user"]
        assert isinstance(users, forms.ModelChoiceField)  # noqa: S101  (a foreign key)
        users.queryset = whom(issuer)
        users.initial = issuer.pk

    def clean_expires_at(self) -> datetime | None:
        until: datetime | None = self.cleaned_data["expires_at"]
        if until and until <= timezone.now():
            raise forms.ValidationError(_("This is over already: choose a moment to come."))
        return until


def whom(issuer: User) -> QuerySet[User]:
    """The users whom a token may stand for: all for superusers; for others themselves, lest they gain permissions."""
    users = User.objects.filter(is_active=True)
    return users if issuer.is_superuser else users.filter(pk=issuer.pk)


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    list_display = ["name", "user", "shown_prefix", "shown_scopes", "state", "expires_at", "last_used_at", "created_by"]
    list_select_related = ["user"]
    search_fields = ["name", "prefix", "user__username"]
    readonly_fields = [
        "name",
        "user",
        "shown_prefix",
        "shown_scopes",
        "state",
        "created_at",
        "created_by",
        "expires_at",
        "last_used_at",
        "revoked_at",
    ]
    fields = [*readonly_fields]
    actions = ["revoke"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiToken]:
        """Superusers see all tokens, others their own."""
        tokens = ApiToken.objects.all()
        return tokens if staff(request).is_superuser else tokens.filter(user=staff(request))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("media_catalog.add_apitoken")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("media_catalog.revoke_apitoken")

    @admin.display(description=gettext_lazy("begins with"))
    def shown_prefix(self, token: ApiToken) -> str:
        return f"{token.prefix}…"

    @admin.display(description=gettext_lazy("scopes"))
    def shown_scopes(self, token: ApiToken) -> str:
        return ", ".join(str(ApiToken.Scope(scope).label) for scope in token.scopes)

    @admin.display(description=gettext_lazy("state"))
    def state(self, token: ApiToken) -> str:
        css, text = "done", _("Valid")
        if token.revoked_at:
            css, text = "failed", _("Revoked")
        elif token.expires_at and token.expires_at <= timezone.now():
            css, text = "skipped", _("Expired")
        return format_html('<span class="bo-tag bo-{}">{}</span>', css, text)

    @admin.action(description=gettext_lazy("Revoke: they stop working at once"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> None:
        revoked = [token for token in tokens if api_tokens.revoke(token=token)]
        log(request, revoked, CHANGE, _("Revoked."))
        said = ngettext("%(count)d token revoked.", "%(count)d tokens revoked.", len(revoked))
        messages.success(request, said % {"count": len(revoked)})

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The form; on POST the text of the new token, in the answer itself so that it is kept nowhere."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = TokenForm(request.POST or None, issuer=staff(request))
        token, text = _issue(request, form) if request.method == "POST" and form.is_valid() else (None, "")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": _("Issue an API token"),
            "form": form,
            "token": token,
            "text": text,
        }
        return TemplateResponse(request, "admin/media_catalog/token.html", context)


def _issue(request: HttpRequest, form: TokenForm) -> tuple[ApiToken, str]:
    asked = form.cleaned_data
    token, text = api_tokens.issue(
        name=asked["name"],
        user=asked["user"],
        scopes=asked["scopes"],
        expires_at=asked["expires_at"],
        issued_by=staff(request).get_username(),
    )
    log(request, [token], ADDITION, _("Issued."))
    return token, text
