"""What the admin's pages share: read-only logs, detail pages with panels and buttons, history that names its cause.

A button is a POST with a confirmation: GET says what will happen and changes nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.options import ActionLocation
from django.contrib.admin.utils import unquote
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import ForeignKey, Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from simple_history.admin import SimpleHistoryAdmin
from simple_history.template_utils import HistoricalRecordContextHelper
from unfold.admin import ModelAdmin
from unfold.enums import ActionVariant
from unfold.paginator import InfinitePaginator
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminTextareaWidget

from integrations.admin.formats import address_of
from integrations.admin.panels import Panel, make_panels
from integrations.exceptions import KeepsyncError
from integrations.privacy.redaction import MASK


class ReadOnlyMixin:
    """For rows that only programs write."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class LongList(ChangeList):
    """A list that cannot be sorted by hand-written addresses either."""

    def get_ordering_field(self, field_name: str) -> Any:
        return super().get_ordering_field(field_name) if field_name in self.sortable_by else None


class LongListMixin:
    """For tables of any size: nothing is counted, and nothing is sorted by a column without an index."""

    opts: Any
    list_per_page = 50
    show_full_result_count = False
    list_disable_select_all = True
    list_filter_submit = True
    sortable_by: Sequence[str] = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return LongList

    def get_paginator(self, request: HttpRequest, queryset: Any, per_page: int, *args: Any, **kwargs: Any) -> Any:
        """A row's history is paged through here as well, and counted."""
        paginator = InfinitePaginator if queryset.model is self.opts.model else Paginator
        return paginator(queryset, per_page, *args, **kwargs)


class ButtonForm(forms.Form):
    """What a button asks for on its confirmation page: nothing, unless a subclass has fields. `row` is its object."""

    def __init__(self, row: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.row = row


class ReasonForm(ButtonForm):
    reason = forms.CharField(
        max_length=500,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="Why it is not needed. It is kept with the record: name no person.",
    )


@dataclass(frozen=True, slots=True)
class Button:
    """An action on one row, at `…/<id>/<name>/`. `run` does it; it may raise a KeepsyncError, which is shown.

    `run` takes the request, the row and the form's values, and returns the receipt, or a page of its own.
    """

    name: str
    label: str
    permission: str
    explain: Callable[[Any], str]
    run: Callable[[HttpRequest, Any, dict[str, Any]], str | HttpResponse]
    log: str
    fits: Callable[[Any], bool] = lambda row: True
    form: type[ButtonForm] = ButtonForm
    # What it will come to, in tables below the explanation.
    preview: Callable[[Any], Sequence[Panel]] = lambda row: ()
    icon: str = ""
    variant: ActionVariant = ActionVariant.DEFAULT
    # False for one to which a panel of the page leads.
    is_on_top: bool = True
    # The row's page that follows: where its receipt is read.
    back: str = "change"


@dataclass(frozen=True, slots=True)
class PageLink:
    """A page of its own of one row, beside the buttons. The admin's `get_urls` names it `…_<name>`.

    One that a package further up adds with `add_page_link` says its address itself.
    """

    name: str
    label: str
    permission: str
    fits: Callable[[Any], bool] = lambda row: True
    icon: str = ""
    variant: ActionVariant = ActionVariant.DEFAULT
    address: Callable[[Any], str] | None = None


_added: dict[type[Model], list[PageLink]] = {}


def add_page_link(model: type[Model], link: PageLink) -> None:
    """A package further up leads from a model's detail pages to a page of its own."""
    _added.setdefault(model, []).append(link)


@dataclass(frozen=True, slots=True)
class BulkButton:
    """How the confirmation of an action on many rows looks."""

    label: str
    variant: ActionVariant = ActionVariant.PRIMARY


class Admin(ModelAdmin):
    """unfold's, with the signature that Django 6.1 wants. `when_empty` says what to do on a list without rows."""

    when_empty = ""

    def get_action_choices(
        self, request: HttpRequest, default_choices: Any = None, action_location: Any = ActionLocation.CHANGE_LIST
    ) -> Any:
        return admin.ModelAdmin.get_action_choices(self, request, [("", "Select action")], action_location)


class DetailAdmin(Admin):
    """A model's admin whose detail page has buttons, and panels below its fields."""

    buttons: Sequence[Button] = ()
    page_links: Sequence[PageLink] = ()
    change_form_outer_after_template = "keepsync/panels.html"
    show_facets = admin.ShowFacets.NEVER

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        prefix = f"{self.opts.app_label}_{self.opts.model_name}"
        pressed = [
            path(
                f"<path:object_id>/{button.name}/",
                view(partial(self.press, button=button)),
                name=f"{prefix}_{button.name}",
            )
            for button in self.buttons
        ]
        return [*pressed, *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> HttpResponse:
        if obj is not None:
            context["actions_detail"] = self.list_on_top(request, obj)
            context["panels"] = make_panels(request, obj)
        response: HttpResponse = super().render_change_form(request, context, *args, obj=obj, **kwargs)
        return response

    def list_page_links(self) -> list[PageLink]:
        return [*self.page_links, *_added.get(self.model, ())]

    def list_on_top(self, request: HttpRequest, row: Any) -> list[dict[str, Any]]:
        """The buttons and links above the page that fit its row, for who may use them."""
        buttons = [button for button in self.buttons if button.is_on_top]
        shown: list[Button | PageLink] = [*buttons, *self.list_page_links()]
        return [
            {
                "title": each.label,
                "icon": each.icon,
                "variant": each.variant,
                "path": find_address(row, each),
                "attrs": {},
            }
            for each in shown
            if request.user.has_perm(each.permission) and each.fits(row)
        ]

    def press(self, request: HttpRequest, object_id: str, *, button: Button) -> HttpResponse:
        """The confirmation page (GET), and the deed (POST)."""
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        if not (self.has_view_permission(request, row) and request.user.has_perm(button.permission)):
            raise PermissionDenied
        if not button.fits(row):
            messages.error(request, f"{button.label}: this does not fit “{row}”{describe_state(row)}.")
            return HttpResponseRedirect(address_of(row))
        back = HttpResponseRedirect(find_way_back(request) or address_of(row, button.back))
        given = (request.POST, request.FILES) if request.method == "POST" else (None, None)
        form = button.form(row, *given, initial=request.GET.dict())
        if request.method != "POST" or not form.is_valid():
            title = f"{button.label}: {row}"
            text, panels = button.explain(row), button.preview(row)
            return confirm(request, button=button, title=title, text=text, panels=panels, form=form, back=back.url)
        try:
            outcome = button.run(request, row, form.cleaned_data)
        except KeepsyncError as error:
            messages.error(request, f"{button.label}: {error}")
            return back
        self.log_change(request, row, button.log)
        if isinstance(outcome, HttpResponse):
            return outcome
        messages.success(request, outcome)
        return back


def find_address(row: Any, shown: Button | PageLink) -> str:
    own = shown.address if isinstance(shown, PageLink) else None
    return own(row) if own else address_of(row, shown.name)


def find_way_back(request: HttpRequest) -> str:
    """The page of this admin from which a button was pressed, if its address names one in `back`."""
    back = request.GET.get("back", "")
    is_ours = back.startswith(reverse("admin:index")) and url_has_allowed_host_and_scheme(back, allowed_hosts=None)
    return back if is_ours else ""


def confirm(request: HttpRequest, *, button: Button | BulkButton, text: str, back: str, **context: Any) -> HttpResponse:
    """The page that says what a button will do. `form` and `hidden` fields go with its POST."""
    context = {"title": button.label, "button": button, "text": text, "back": back, **context}
    return show_page(request, "keepsync/confirmation.html", **context)


def show_page(request: HttpRequest, template: str, **context: Any) -> HttpResponse:
    """A page of its own within the admin's frame. It is never cached."""
    request.current_app = admin.site.name
    everywhere = admin.site.each_context(request)
    return TemplateResponse(request, template, {**everywhere, **context}, headers={"Cache-Control": "no-store"})


def read_user(request: HttpRequest) -> User:
    """Who is signed in. Raises PermissionDenied where that is nobody."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def describe_state(row: Any) -> str:
    """To follow the row's name; empty for one without a status."""
    return f", which is {str(row.get_status_display()).lower()}" if hasattr(row, "get_status_display") else ""


class HistoryHelper(HistoricalRecordContextHelper):
    """Leaves out the fields that say nothing to a person, and masks those whose values are not for reading."""

    hidden: ClassVar = {"provenance", "updated_at", "external_updated_at", "generation", "pushed_hash"}
    masked: ClassVar = {"join_url", "made_join_url", "payment_url", "url"}

    def context_for_delta_changes(self, delta: Any) -> list[dict[str, Any]]:
        shown = [
            replace(change, old=MASK, new=MASK) if change.field in self.masked else change
            for change in delta.changes
            if change.field not in self.hidden
        ]
        described: list[dict[str, Any]] = super().context_for_delta_changes(replace(delta, changes=shown))
        return described


class HistoryAdmin(SimpleHistoryAdmin):
    """The history page says which delivery, user or command made each change. Nothing is reverted from there."""

    def get_historical_record_context_helper(self, request: HttpRequest, historical_record: Any) -> HistoryHelper:
        return HistoryHelper(self.model, historical_record)

    def get_history_queryset(self, request: HttpRequest, history_manager: Any, pk_name: str, object_id: Any) -> Any:
        """With what the rows point to. simple_history's own query is deprecated in Django 6.1."""
        tracked = [field.name for field in history_manager.model.tracked_fields if isinstance(field, ForeignKey)]
        return history_manager.filter(**{pk_name: object_id}).select_related("history_user", *tracked)

    def revert_disabled(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def history_form_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """simple_history would save a former state here, past every rule, for anybody who may look."""
        raise PermissionDenied
