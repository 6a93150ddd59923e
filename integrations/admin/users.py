"""Users, groups, and the tokens of the REST API."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from rest_framework.authtoken.admin import TokenAdmin as BaseTokenAdmin
from rest_framework.authtoken.models import TokenProxy
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from integrations.admin.base import Admin, Button, DetailAdmin, show_page
from integrations.admin.formats import show_instant
from integrations.roles import NAMES
from integrations.second_factors import end_sessions, find_factor, remove

for model in (User, Group, TokenProxy):
    admin.site.unregister(model)


def reset_second_factor(request: HttpRequest, user: User, values: dict[str, Any]) -> str:
    remove(user)
    end_sessions(user, but=request.session.session_key if user == request.user else None)
    return f"{user} signs in with the password alone from now on, and can set a second factor up again."


RESET = Button(
    name="reset_second_factor",
    label="Reset second factor",
    # Of nobody's role: who can do this can sign in as anybody whose password he knows.
    permission="integrations.delete_secondfactor",
    explain=lambda user: (
        f"{user} has lost the phone, and has no recovery code either: make sure that it is really them who ask. "
        "The password alone signs them in from then on, and all their sessions end."
    ),
    run=reset_second_factor,
    log="Reset the second factor",
    fits=lambda user: find_factor(user) is not None,
    icon="phonelink_erase",
)


class SecondFactorFilter(admin.SimpleListFilter):
    title = "second factor"
    parameter_name = "second_factor"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("on", "On"), ("off", "Off")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        chosen = self.value()
        return queryset.filter(second_factor__confirmed_at__isnull=chosen == "off") if chosen else queryset


@admin.register(User)
class UserAdmin(BaseUserAdmin, DetailAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    when_empty = "Add a user, and choose a role for them."
    list_display = ("username", "email", "first_name", "last_name", "is_staff", "second_factor_since")
    list_select_related = ("second_factor",)
    list_filter = (*BaseUserAdmin.list_filter, SecondFactorFilter)
    buttons = (RESET,)
    readonly_fields = ("last_login", "date_joined")

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request).select_related("second_factor").defer("second_factor__key")
        return rows.prefetch_related(with_kinds("user_permissions"))

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """That of both bases, whose signatures differ."""
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description="second factor", ordering="second_factor__confirmed_at")
    def second_factor_since(self, user: User) -> str:
        factor = find_factor(user)
        return show_instant(factor.confirmed_at) if factor else "Off"

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Who may only look sees no part of the password's hash."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return fieldsets
        return [(None, {"fields": ("username",)}), *fieldsets[1:]]


@admin.register(Group)
class GroupAdmin(BaseGroupAdmin, Admin):
    """The roles stay as config/roles.py has them: who wants something else makes a group beside them."""

    when_empty = "Run manage.py migrate: it makes the roles."

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related(with_kinds("permissions"))

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return not is_role(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return not is_role(obj) and super().has_delete_permission(request, obj)


def with_kinds(field: str) -> Prefetch:
    """Permissions with their content types, by which they are named where they can only be read."""
    return Prefetch(field, Permission.objects.select_related("content_type"))


def is_role(group: Group | None) -> bool:
    return group is not None and group.name in NAMES


def describe_token(token: Any) -> str:
    return f"token of {token.user.get_username()}"


# Its own is the key in clear, which titles and the log would show.
TokenProxy.__str__ = describe_token  # type: ignore[method-assign]


@admin.register(TokenProxy)
class TokenAdmin(BaseTokenAdmin, Admin):
    """A token is shown once, when it is made."""

    when_empty = "Add a token for a program that uses the REST API. It is shown once."
    list_display = ("user", "made")
    list_filter = ()
    list_select_related = ("user",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        return show_page(
            request,
            "keepsync/secret.html",
            title=f"API token of {obj.user.get_username()}",
            warning="The token is shown once. Copy it now: no page shows it again.",
            values=[("API token", obj.key)],
            back=reverse("admin:authtoken_tokenproxy_changelist"),
        )

    @admin.display(description="made", ordering="created")
    def made(self, token: Any) -> str:
        return show_instant(token.created)
