"""The launch checklist in the admin: how each item stands, what proves it, and who has signed what."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils import timezone
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminTextareaWidget

from integrations.admin.base import BulkButton, Button, ButtonForm, DetailAdmin, ReadOnlyMixin, confirm, show_page
from integrations.admin.formats import (
    NOTHING,
    address_of,
    address_of_list,
    link,
    relate,
    show_choice,
    show_instant,
    show_label,
    show_lines,
)
from integrations.admin.panels import Panel, panel_on
from integrations.models import ChecklistItem, CheckResult
from integrations.operations import checklist
from integrations.operations.checklist import SIGNED_FOR, Item, Section, Standing, State, get_item

CHECK, SIGN = "integrations.check_checklistitem", "integrations.sign_checklistitem"
Status = CheckResult.Status
VARIANTS = {Status.PASSED: "success", Status.FAILED: "danger"}
STANDING_VARIANTS = {Standing.PASSED: "success", Standing.NOT_APPLICABLE: "", Standing.FAILED: "danger"}
# What is open is told in this order: what is wrong, what a person has to look at, what nobody has looked at.
URGENCY = [Standing.FAILED, Standing.VOID, Standing.RUN_OUT, Standing.UNSIGNED, Standing.EXPIRED, Standing.UNCHECKED]
SHOWN = 20


def item_of(row: ChecklistItem) -> Item:
    return get_item(row.pk)


def state_of(row: ChecklistItem) -> State:
    return checklist.look(timezone.now(), [item_of(row)])[0]


def show_standing(state: State) -> str:
    return show_label(state.standing.value, STANDING_VARIANTS.get(state.standing, "warning"))


# --- Buttons ----------------------------------------------------------------------------------------------------------


class NoteForm(ButtonForm):
    note = forms.CharField(
        max_length=1000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="What you have looked at, and why it is right.",
    )


def press_check(request: HttpRequest, row: ChecklistItem, values: dict[str, Any]) -> str:
    result = checklist.check(item_of(row), request.user)
    return f"{result.get_status_display()}: {' '.join(result.lines)}"


def press_sign(request: HttpRequest, row: ChecklistItem, values: dict[str, Any]) -> str:
    signature = checklist.sign(item_of(row), request.user, values["note"])
    return f"It is signed, until {signature.expires_at:%Y-%m-%d}, or until what it attests is changed."


def preview_evidence(row: ChecklistItem) -> list[Panel]:
    state = state_of(row)
    lines = state.result.lines if state.result else []
    links = [link(state.result.address, "Look at it")] if state.result and state.result.address else []
    return [Panel("What you attest", rows=[[line] for line in lines], links=links)]


BUTTONS = (
    Button(
        name="check",
        label="Check now",
        icon="fact_check",
        permission=CHECK,
        explain=lambda row: "Its probe looks at the running installation, and leaves nothing behind.",
        run=press_check,
        log="Checked",
    ),
    Button(
        name="sign",
        label="Sign",
        icon="signature",
        permission=SIGN,
        explain=lambda row: (
            f"Your name stands for what no program can know. It counts for {SIGNED_FOR.days} days, and is void as soon "
            "as what you attest is changed. The evidence is looked for once more before it is signed."
        ),
        preview=preview_evidence,
        run=press_sign,
        log="Signed",
        fits=lambda row: state_of(row).is_signable,
        form=NoteForm,
        variant=ActionVariant.PRIMARY,
    ),
)


# --- Its pages --------------------------------------------------------------------------------------------------------


@admin.register(ChecklistItem)
class ChecklistItemAdmin(ReadOnlyMixin, DetailAdmin):
    """The list is a page of its own. What the code does not declare any more is not shown."""

    fields = ("why", "standing", "evidence", "advice", "checked", "expires", "signed", "note")
    buttons = BUTTONS

    def get_queryset(self, request: HttpRequest) -> Any:
        names = [item.name for item in checklist.list_items()]
        return super().get_queryset(request).filter(name__in=names)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.check_all)
        return [path("check-all/", view, name="integrations_checklistitem_check_all"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        checklist.ensure_rows()
        states = checklist.look(timezone.now())
        return show_page(
            request,
            "keepsync/checklist.html",
            title="Launch checklist",
            overview=make_overview(states),
            sections=[
                (section.value, [make_entry(request, state) for state in states if state.item.section == section])
                for section in Section
            ],
            check_all=reverse("admin:integrations_checklistitem_check_all") if request.user.has_perm(CHECK) else "",
        )

    def check_all(self, request: HttpRequest) -> HttpResponse:
        """The confirmation (GET), and all probes (POST)."""
        if not request.user.has_perm(CHECK):
            raise PermissionDenied
        back = address_of_list(ChecklistItem)
        if request.method != "POST":
            text = "All probes look at the running installation, which takes a few seconds, and leave nothing behind."
            return confirm(request, button=BulkButton("Check all"), text=text, back=back)
        for item in checklist.list_items():
            checklist.check(item, request.user)
        left = sum(state.is_open for state in checklist.look(timezone.now()))
        messages.success(request, f"All are checked: {left} open.")
        return HttpResponseRedirect(back)

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """With how it stands."""
        row: Any = super().get_object(request, *args, **kwargs)
        if row is not None:
            row.state = state_of(row)
        return row

    @admin.display(description="why it matters")
    def why(self, row: Any) -> str:
        return item_of(row).why

    @admin.display(description="how it stands")
    def standing(self, row: Any) -> str:
        return show_standing(row.state)

    @admin.display(description="evidence")
    def evidence(self, row: Any) -> str:
        return show_lines(row.state.result.lines) if row.state.result else NOTHING

    @admin.display(description="what to do")
    def advice(self, row: Any) -> str:
        return show_lines([row.state.advice, *list_links(row.state)]) if row.state.advice else NOTHING

    @admin.display(description="checked")
    def checked(self, row: Any) -> str:
        return show_instant(row.state.result.checked_at) if row.state.result else NOTHING

    @admin.display(description="counts until")
    def expires(self, row: Any) -> str:
        return show_instant(row.state.expires_at)

    @admin.display(description="signed")
    def signed(self, row: Any) -> str:
        if not item_of(row).is_signed:
            return "Its probe proves it: nobody signs it."
        signature = row.state.signature
        return f"{describe_user(signature.signed_by)}, {relate(signature.signed_at)}" if signature else "Not yet"

    @admin.display(description="note")
    def note(self, row: Any) -> str:
        return row.state.signature.note if row.state.signature else NOTHING


def describe_user(user: Any) -> str:
    return str(user) if user else "Somebody who is no user any more"


def list_links(state: State) -> list[Any]:
    return [link(state.result.address, "Open")] if state.result and state.result.address else []


def make_overview(states: list[State]) -> dict[str, Any]:
    """Green, or how many are open and what to do first."""
    still_open = sorted((state for state in states if state.is_open), key=lambda state: URGENCY.index(state.standing))
    if not still_open:
        return {"tone": "good", "text": f"All {len(states)} items pass.", "line": "", "link": ""}
    first = still_open[0]
    return {
        "tone": "bad" if first.standing == Standing.FAILED else "warn",
        "text": f"{len(still_open)} of {len(states)} items {'is' if len(still_open) == 1 else 'are'} open.",
        "line": f"First: {first.item.title}. {first.advice}",
        "link": link(address_of(ChecklistItem(pk=first.item.name)), "Open it"),
    }


def make_entry(request: HttpRequest, state: State) -> dict[str, Any]:
    """What the page shows of one item, with what who looks at it may do."""
    row, result, signature = ChecklistItem(pk=state.item.name), state.result, state.signature
    signed_by = f"Signed by {describe_user(signature.signed_by)}, {relate(signature.signed_at)}" if signature else ""
    return {
        "title": link(address_of(row), state.item.title),
        "label": show_standing(state),
        "why": state.item.why,
        "lines": result.lines if result else [],
        "advice": state.advice,
        "is_failed": state.standing == Standing.FAILED,
        "links": list_links(state),
        "checked": show_instant(result.checked_at) if result else "Never",
        "expires": show_instant(state.expires_at),
        "signed": signed_by if state.item.is_signed else "",
        "check": address_of(row, "check") if request.user.has_perm(CHECK) else "",
        "sign": address_of(row, "sign") if request.user.has_perm(SIGN) and state.is_signable else "",
    }


@panel_on(ChecklistItem)
def show_results(request: HttpRequest, row: ChecklistItem) -> Panel:
    """What was found, from when until when: the same again is one line."""
    rows = [
        [
            show_choice(result, "status", VARIANTS),
            show_lines(result.lines),
            show_instant(result.found_at),
            show_instant(result.checked_at),
            describe_user(result.checked_by) if result.checked_by_id else "The schedule or the shell",
        ]
        for result in row.results.select_related("checked_by")[:SHOWN]
    ]
    headers = ["Result", "Evidence", "First found", "Found last", "Checked by"]
    return Panel("History of its checks", headers, rows, empty="It has not been checked yet.")


@panel_on(ChecklistItem)
def show_signatures(request: HttpRequest, row: ChecklistItem) -> Panel | None:
    if not item_of(row).is_signed:
        return None
    rows = [
        [
            describe_user(signature.signed_by),
            signature.note,
            show_lines(signature.lines),
            show_instant(signature.signed_at),
            show_instant(signature.expires_at),
        ]
        for signature in row.signatures.select_related("signed_by")[:SHOWN]
    ]
    headers = ["Signed by", "Note", "What was attested", "When", "Counts until"]
    return Panel("Signatures", headers, rows, empty="Nobody has signed it yet.")
