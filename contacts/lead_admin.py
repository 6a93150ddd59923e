"""The rules for new leads: what an answer is worth in points, and who takes the next one."""

from datetime import date
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import TabularInline
from unfold.widgets import UnfoldAdminTextareaWidget

from contacts.models import Absence, PoolMember, ScoreRule
from integrations.admin.base import Admin, HistoryAdmin
from integrations.admin.formats import NOTHING, show_instant, show_label

Kind = ScoreRule.Kind


class LinesField(forms.CharField):
    """A list of texts, one on each line; empty lines don't count."""

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        """The list. Raises ValidationError for a text over 255 characters."""
        lines = [line.strip() for line in super().clean(value).splitlines() if line.strip()]
        if any(len(line) > 255 for line in lines):
            raise ValidationError("A value has at most 255 characters.")
        return lines

    def has_changed(self, initial: Any, data: Any) -> bool:
        return list(initial or []) != [line.strip() for line in (data or "").splitlines() if line.strip()]


class ScoreRuleForm(forms.ModelForm):
    values = LinesField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        help_text="One on each line; any of them counts, in upper or lower case.",
    )

    class Meta:
        model = ScoreRule
        fields: ClassVar = ["kind", "answer_key", "values", "points", "is_active"]

    def clean(self) -> dict[str, Any]:
        """An answer needs its key and values; a company address has neither."""
        given = super().clean() or {}
        if given.get("kind") == Kind.COMPANY_ADDRESS:
            return {**given, "answer_key": "", "values": []}
        for field, problem in (("answer_key", "Give the answer's key."), ("values", "Give at least one value.")):
            if field not in self.errors and not given.get(field):
                self.add_error(field, problem)
        return given


@admin.register(ScoreRule)
class ScoreRuleAdmin(HistoryAdmin, Admin):
    form = ScoreRuleForm
    when_empty = "Add a rule that gives points for an answer of the booking form."
    list_display = ("rule", "values_shown", "points", "is_active")
    list_filter = ("is_active",)
    show_facets = admin.ShowFacets.NEVER
    fields = ("kind", "answer_key", "values", "points", "is_active")
    conditional_fields: ClassVar = {"answer_key": "kind == 'answer'", "values": "kind == 'answer'"}

    @admin.display(description="rule", ordering="answer_key")
    def rule(self, rule: ScoreRule) -> str:
        return f"Answer {rule.answer_key}" if rule.kind == Kind.ANSWER else rule.get_kind_display()

    @admin.display(description="values")
    def values_shown(self, rule: ScoreRule) -> str:
        return ", ".join(rule.values) or NOTHING


class AbsenceForm(forms.ModelForm):
    class Meta:
        model = Absence
        fields: ClassVar = ["first_day", "last_day"]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        first, last = given.get("first_day"), given.get("last_day")
        if first and last and last < first:
            self.add_error("last_day", "This is before the first day.")
        return given


class AbsenceInline(TabularInline):
    model = Absence
    form = AbsenceForm
    extra = 0


@admin.register(PoolMember)
class PoolMemberAdmin(HistoryAdmin, Admin):
    """Who takes new leads in turn: the one who has waited longest, of those who are here."""

    when_empty = "Add the people who get new contacts in turn."
    list_display = ("member", "state", "last_lead")
    list_select_related = ("user",)
    autocomplete_fields = ("user",)
    fields = ("user", "is_active", "last_lead")
    inlines = (AbsenceInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[PoolMember]:
        found: QuerySet[PoolMember] = super().get_queryset(request)
        return found.prefetch_related("absences")

    def get_readonly_fields(self, request: HttpRequest, obj: PoolMember | None = None) -> Any:
        """A member stays the same person: their turn is kept with the row."""
        return ("user", "last_lead") if obj else ("last_lead",)

    @admin.display(description="member", ordering="user__username")
    def member(self, member: PoolMember) -> str:
        return str(member.user)

    @admin.display(description="state")
    def state(self, member: PoolMember) -> str:
        if not (member.is_active and member.user.is_active):
            return show_label("Takes no leads")
        until = find_end(member, timezone.now().date())
        return show_label(f"Away until {until}", "warning") if until else show_label("Takes leads", "success")

    @admin.display(description="last lead", ordering="last_assigned_at")
    def last_lead(self, member: PoolMember) -> str:
        return show_instant(member.last_assigned_at)


def find_end(member: PoolMember, today: date) -> date | None:
    """The last day of the absence that `today` is in."""
    days = [absence.last_day for absence in member.absences.all() if absence.first_day <= today <= absence.last_day]
    return max(days, default=None)
