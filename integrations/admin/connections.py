"""Connections: made here, with a secret that is shown once; then paused, resumed, tested, and their secrets rotated."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminSelectWidget

from integrations.admin.base import DetailAdmin, HistoryAdmin
from integrations.admin.connection_buttons import BUTTONS, CHANGE, show_secret, webhook_address
from integrations.admin.formats import NOTHING, address_of, format_json, link, show_choice, show_instant, show_label
from integrations.admin.panels import Panel, panel_on
from integrations.connections import add_connection, mark_changed
from integrations.models import Connection
from integrations.providers import PROVIDERS

Status = Connection.Status
STATUS_VARIANTS = {Status.ACTIVE: "success", Status.PAUSED: "warning", Status.DISABLED: ""}


class ConnectionForm(forms.ModelForm):
    class Meta:
        labels: ClassVar = {"base_url": "Base URL"}

    def clean_base_url(self) -> str:
        return str(self.cleaned_data["base_url"]).rstrip("/")

    def clean_default_region(self) -> str:
        region = str(self.cleaned_data["default_region"]).upper()
        if region and not (len(region) == 2 and region.isascii() and region.isalpha()):
            raise forms.ValidationError("Give two letters, such as FR.")
        return region


class NewConnectionForm(ConnectionForm):
    provider = forms.ChoiceField(
        choices=lambda: [(key, provider.name) for key, provider in PROVIDERS.items()], widget=UnfoldAdminSelectWidget
    )
    webhook_secret = forms.CharField(
        required=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        help_text="What the provider signs its webhooks with. Empty: one is made, and shown once.",
    )
    access_token = forms.CharField(
        required=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        help_text="What the provider's API is called with, if you have one. It is never shown.",
    )

    class Meta:
        model = Connection
        fields: ClassVar = ["slug", "provider", "base_url", "default_region"]
        labels: ClassVar = {"base_url": "Base URL"}


@panel_on(Connection)
def show_secrets(request: HttpRequest, connection: Connection) -> Panel:
    may_change = request.user.has_perm(CHANGE)
    secrets = connection.webhook_secrets.defer("secret")
    retire_address = address_of(connection, "retire_secret")
    return Panel(
        "Webhook secrets",
        headers=["Made", "State", ""],
        rows=[
            [
                show_instant(secret.created_at),
                show_label("Retired") if secret.retired_at else show_label("Active", "success"),
                show_instant(secret.retired_at)
                if secret.retired_at
                else (link(f"{retire_address}?secret={secret.pk}", "Retire") if may_change else ""),
            ]
            for secret in secrets
        ],
    )


@admin.register(Connection)
class ConnectionAdmin(HistoryAdmin, DetailAdmin):
    list_display = ("slug", "provider_name", "state", "base_url", "secrets", "created")
    list_filter = ("status",)
    search_fields = ("slug",)
    readonly_fields = ("slug", "provider_name", "state", "address", "default_options", "created_at", "updated_at")
    fieldsets = (
        (None, {"fields": ("slug", "provider_name", "state", "address")}),
        ("Settings", {"fields": ("base_url", "default_region", "default_options")}),
    )
    add_fieldsets = (
        (None, {"fields": ("provider", "slug", "base_url", "default_region", "webhook_secret", "access_token")}),
    )
    form = ConnectionForm
    buttons = BUTTONS

    def get_queryset(self, request: HttpRequest) -> QuerySet[Connection]:
        is_active = Q(webhook_secrets__retired_at=None)
        found: QuerySet[Connection] = super().get_queryset(request)
        return found.defer("credentials").annotate(active_secrets=Count("webhook_secrets", filter=is_active))

    def get_form(self, request: HttpRequest, obj: Connection | None = None, **kwargs: Any) -> Any:
        if obj is None:
            kwargs["form"] = NewConnectionForm
        return super().get_form(request, obj, **kwargs)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        context |= {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().render_change_form(request, context, *args, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Connection | None = None) -> Any:
        return self.readonly_fields if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Deliveries name it for good: disable it instead."""
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change and not form.changed_data:
            return
        if change:
            obj.save(update_fields=[*form.changed_data, "updated_at"])
            mark_changed(obj)
            return
        values = form.cleaned_data
        options = {name: values[name] for name in ("default_region", "access_token") if values[name]}
        made, obj.shown_secret = add_connection(
            provider=values["provider"],
            slug=values["slug"],
            base_url=values["base_url"],
            webhook_secret=values["webhook_secret"] or None,
            options=options,
        )
        obj.pk = made.pk

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        return show_secret(request, obj, obj.shown_secret)

    @admin.display(description="provider", ordering="provider")
    def provider_name(self, connection: Connection) -> str:
        known = PROVIDERS.get(connection.provider)
        return known.name if known else connection.provider

    @admin.display(description="status", ordering="status")
    def state(self, connection: Connection) -> str:
        return show_choice(connection, "status", STATUS_VARIANTS)

    @admin.display(description="webhook address")
    def address(self, connection: Connection) -> str:
        return webhook_address(connection)

    @admin.display(description="active secrets")
    def secrets(self, connection: Any) -> int:
        return int(connection.active_secrets)

    @admin.display(description="created", ordering="created_at")
    def created(self, connection: Connection) -> str:
        return show_instant(connection.created_at)

    @admin.display(description="options")
    def default_options(self, connection: Connection) -> str:
        return format_json(connection.options) if connection.options else NOTHING
