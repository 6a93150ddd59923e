"""Connections: made here, with a secret that is shown once; then paused, resumed, tested, and their secrets rotated."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Max, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import path

from integrations.admin import connection_panels, oauth_buttons, oauth_panels, secret_page  # noqa: F401
from integrations.admin.alerts import make_connection_bars
from integrations.admin.base import DetailAdmin, HistoryAdmin
from integrations.admin.connection_buttons import BUTTONS, is_crm
from integrations.admin.connection_forms import CONDITIONS, CREDENTIALS, OPTIONS, ConnectionForm, NewConnectionForm
from integrations.admin.formats import (
    NOTHING,
    address_of,
    format_json,
    show_choice,
    show_instant,
)
from integrations.admin.mapping_files import OwnerMappingInline, export_file
from integrations.admin.oauth_page import show_authorise_page
from integrations.admin.oauth_panels import describe_token
from integrations.admin.secret_buttons import sends_webhooks, show_secret, webhook_address
from integrations.admin.secret_page import describe_secrets, show_secrets_page
from integrations.connections import add_connection, asked_options
from integrations.endpoints import mark_changed
from integrations.jobs import queue_look_at_crossings
from integrations.models import Connection
from integrations.providers import name_provider

Status = Connection.Status
STATUS_VARIANTS = {
    Status.ACTIVE: "success",
    Status.NEEDS_REAUTHORISATION: "danger",
    Status.PAUSED: "warning",
    Status.DISABLED: "",
}
NEW = ("provider", "slug", "base_url", "default_region", "region", "webhook_secret", *CREDENTIALS, *OPTIONS)


@admin.register(Connection)
class ConnectionAdmin(HistoryAdmin, DetailAdmin):
    when_empty = "Add a connection to calendar.live first, and one to a CRM after it."
    list_display = ("slug", "provider_name", "state", "token_state", "base_url", "secrets", "created")
    list_select_related = ("token",)
    list_filter = ("status",)
    search_fields = ("slug",)
    readonly_fields = ("slug", "provider_name", "state", "address", "all_options", "other_options")
    add_fieldsets = ((None, {"fields": NEW}),)
    conditional_fields = CONDITIONS
    form = ConnectionForm
    buttons = BUTTONS
    page_links = (*oauth_buttons.LINKS, secret_page.LINK)
    change_form_outer_before_template = "keepsync/bars.html"

    def get_fieldsets(self, request: HttpRequest, obj: Connection | None = None) -> Any:
        if obj is None:
            return self.add_fieldsets
        asked = asked_options(obj.provider)
        options = (*asked, "other_options") if self.has_change_permission(request, obj) else ("all_options",)
        return (
            (None, {"fields": ("slug", "provider_name", "state", "address")}),
            ("Settings", {"fields": ("base_url", "default_region", "region", *options)}),
        )

    def get_inlines(self, request: HttpRequest, obj: Connection | None) -> Any:
        return [OwnerMappingInline] if obj is not None and is_crm(obj) else []

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.export_mapping)
        name = "integrations_connection_export_mapping"
        return [
            path("<int:connection_id>/mapping.json", view, name=name),
            path(
                "<path:object_id>/secrets/",
                self.admin_site.admin_view(self.show_secrets),
                name="integrations_connection_secrets",
            ),
            path(
                f"<path:object_id>/{oauth_buttons.PAGE}/",
                self.admin_site.admin_view(self.authorise),
                name=f"integrations_connection_{oauth_buttons.PAGE}",
            ),
            *super().get_urls(),
        ]

    def export_mapping(self, request: HttpRequest, connection_id: int) -> HttpResponse:
        connection = get_object_or_404(Connection, pk=connection_id)
        if not self.has_view_permission(request, connection):
            raise PermissionDenied
        return export_file(connection)

    def show_secrets(self, request: HttpRequest, object_id: str) -> HttpResponse:
        connection = self.get_object(request, unquote(object_id))
        if connection is None or not sends_webhooks(connection):
            raise Http404
        if not self.has_view_permission(request, connection):
            raise PermissionDenied
        return show_secrets_page(request, connection)

    def authorise(self, request: HttpRequest, object_id: str) -> HttpResponse:
        connection = self.get_object(request, unquote(object_id))
        if connection is None or not oauth_buttons.has_oauth(connection):
            raise Http404
        if not (self.has_view_permission(request, connection) and request.user.has_perm(oauth_buttons.CHANGE)):
            raise PermissionDenied
        return show_authorise_page(request, connection)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Connection]:
        is_active = Q(webhook_secrets__retired_at=None)
        found: QuerySet[Connection] = super().get_queryset(request)
        return found.defer("credentials").annotate(
            active_secrets=Count("webhook_secrets", filter=is_active),
            newest_secret_at=Max("webhook_secrets__created_at", filter=is_active),
        )

    def get_form(self, request: HttpRequest, obj: Connection | None = None, **kwargs: Any) -> Any:
        if obj is None:
            kwargs["form"] = NewConnectionForm
        return super().get_form(request, obj, **kwargs)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> Any:
        context |= {"show_save_and_add_another": False, "show_save_and_continue": False}
        context["bars"] = make_connection_bars(request, obj) if obj else []
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Connection | None = None) -> Any:
        return self.readonly_fields if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Deliveries name it for good: disable it instead."""
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change and not form.changed_data:
            return
        if change:
            obj.options = form.read_options(obj.provider)
            changed = {"options" if name in OPTIONS else name for name in form.changed_data}
            obj.save(update_fields=[*changed, "updated_at"])
            mark_changed(obj)
            if "region" in changed:
                queue_look_at_crossings()
            return
        values = form.cleaned_data
        region = {"default_region": values["default_region"]} if values["default_region"] else {}
        made, obj.shown_secret = add_connection(
            provider=values["provider"],
            slug=values["slug"],
            base_url=values["base_url"],
            webhook_secret=values["webhook_secret"] or None,
            options={
                **region,
                **({"region": values["region"]} if values["region"] else {}),
                **form.read_credentials(values["provider"]),
                **form.read_options(values["provider"]),
            },
        )
        obj.pk = made.pk

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        if sends_webhooks(obj):
            return show_secret(request, obj, obj.shown_secret)
        return HttpResponseRedirect(address_of(obj))

    @admin.display(description="provider", ordering="provider")
    def provider_name(self, connection: Connection) -> str:
        return name_provider(connection.provider)

    @admin.display(description="status", ordering="status")
    def state(self, connection: Connection) -> str:
        return show_choice(connection, "status", STATUS_VARIANTS)

    @admin.display(description="token", ordering="token__expires_at")
    def token_state(self, connection: Connection) -> str:
        return describe_token(connection)

    @admin.display(description="webhook address")
    def address(self, connection: Connection) -> str:
        return webhook_address(connection) if sends_webhooks(connection) else NOTHING

    @admin.display(description="active secrets")
    def secrets(self, connection: Any) -> str:
        return describe_secrets(connection)

    @admin.display(description="created", ordering="created_at")
    def created(self, connection: Connection) -> str:
        return show_instant(connection.created_at)

    @admin.display(description="options")
    def all_options(self, connection: Connection) -> str:
        return format_json(connection.options) if connection.options else NOTHING

    @admin.display(description="other options")
    def other_options(self, connection: Connection) -> str:
        """Those that only the shell sets."""
        asked = asked_options(connection.provider)
        others = {name: value for name, value in connection.options.items() if name not in asked}
        return format_json(others) if others else NOTHING
