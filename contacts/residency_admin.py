"""Residency in the admin: who may meet, how it stands, and what a change of the policy would do before it is made."""

import csv
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse

from contacts.residency_report import Forecast, Report, describe, foretell, list_pairs, make_report, read_full_policy
from integrations.admin.base import (
    Admin,
    BulkButton,
    ReadOnlyMixin,
    confirm,
    show_page,
)
from integrations.admin.formats import NOTHING, address_of_list, link, link_to, show_instant, show_label
from integrations.admin.panels import Panel
from integrations.jobs import queue_look_at_crossings
from integrations.models import Effect, Region, RegionRule
from integrations.privacy.residency import Basis, Pair, Policy, make_policy, set_rules

CHANGE_POLICY = "integrations.change_regionrule"
# Of the policy's history: how many rows are read, how many changes are shown, and how many denials of one are named.
HISTORY_LOOKED_AT, SHOWN, NAMED = 500, 10, 8
OFF_NOTE = "No policy is set: every contact may go to every connection. With the first rule, what is not allowed waits."
ON_NOTE = "Rows are regions of contacts, columns of connections. A connection without a region is open to all."


# --- Who may meet -----------------------------------------------------------------------------------------------------


def show_matrix(policy: Policy, *, title: str = "Who may meet") -> Panel:
    rows = [
        [policy.name(one), *(show_cell(policy.allows(one, other)) for other in policy.regions)]
        for one in policy.regions
    ]
    headers = ["Contacts of", *policy.regions]
    return Panel(title, headers=headers, rows=rows if policy.is_on else [], note=ON_NOTE if policy.is_on else "",
                 empty=OFF_NOTE)  # fmt: skip


def show_cell(is_allowed: bool) -> str:
    return show_label("may", "success") if is_allowed else show_label("waits", "danger")


# --- How it stands ----------------------------------------------------------------------------------------------------


def show_pairs(report: Report) -> Panel:
    rows = [
        [
            report.policy.name(pair["contacts_region"]),
            report.policy.name(pair["connections_region"]),
            show_cell(pair["allowed"]),
            f"{pair['contacts']:,}",
            describe_there(pair),
        ]
        for pair in list_pairs(report)
    ]
    empty = "No connection has a region yet, or there is no contact: set regions on the pages of the connections."
    headers = ["Contacts of", "Connections in", "Policy", "Contacts", "Already there"]
    return Panel("Contacts and connections", headers=headers, rows=rows, empty=empty)


def describe_there(pair: Mapping[str, Any]) -> str:
    count = f"{pair['contacts_there']:,}"
    return (
        show_label(f"{count} against the policy", "danger") if pair["contacts_there"] and not pair["allowed"] else count
    )


def show_connections(report: Report) -> Panel:
    rows = [
        [
            link_to(each.connection),
            report.policy.name(each.connection.region)
            if each.connection.region
            else show_label("Open to all", "warning"),
            link_waiting(each.connection.pk, each.waiting),
            f"{sum(each.there.values()):,}",
            f"{each.count_against(report.policy):,}",
        ]
        for each in report.standings
    ]
    headers = ["Connection", "Region", "Effects waiting", "Contacts there", "Against the policy"]
    note = "What went over before the policy forbade it stays there until somebody deletes it over there."
    return Panel("Connections", headers=headers, rows=rows, note=note, empty="There is no connection yet.")


def show_region(policy: Policy, region: str) -> str:
    return policy.name(region) if region else show_label("Open to all", "warning")


def link_waiting(connection_id: int, count: int) -> object:
    filters = {"connection__id__exact": connection_id, "status__exact": "waiting", "cause__exact": "residency"}
    return link(address_of_list(Effect, **filters), f"{count:,}") if count else "0"


def show_bases(report: Report) -> Panel:
    rows = [[str(basis).capitalize(), f"{report.by_basis.get(basis, 0):,}"] for basis in Basis]
    own = report.policy.name(report.policy.default)
    note = (
        f"This installation is in {own} (REGION). What CRMs and calendars tell of comes in whatever the policy says: "
        f"{report.against_here:,} contacts here are of regions that may not meet its own."
    )
    return Panel("What the regions of contacts were decided by", headers=["By", "Contacts"], rows=rows, note=note)


# --- Changing it ------------------------------------------------------------------------------------------------------


class PolicyForm(forms.Form):
    """A tick for each region of contacts and of connections that may meet."""

    is_on = forms.BooleanField(label="A policy is in force", required=False)

    def __init__(self, policy: Policy, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.policy = policy
        self.fields["is_on"].initial = policy.is_on
        for one, other in self.list_pairs():
            initial = policy.allows(one, other)
            self.fields[name_field(one, other)] = forms.BooleanField(required=False, initial=initial)

    def list_pairs(self) -> list[Pair]:
        return [(one, other) for one in self.policy.regions for other in self.policy.regions]

    def read_rules(self) -> dict[Pair, bool]:
        """None where no policy is to be in force."""
        if not self.cleaned_data["is_on"]:
            return {}
        return {pair: bool(self.cleaned_data[name_field(*pair)]) for pair in self.list_pairs()}

    def list_rows(self) -> list[dict[str, Any]]:
        return [
            {"title": title, "cells": [(other, self[name_field(one, other)]) for other in self.policy.regions]}
            for one, title in self.policy.regions.items()
        ]


def name_field(one: str, other: str) -> str:
    return f"may:{one}:{other}"


def explain_change(forecast: Forecast, rules: Mapping[Pair, bool]) -> str:
    more = "" if forecast.is_whole else " at least, of those that were looked at"
    denied = sum(not allowed for allowed in rules.values())
    opening = f"From then on {denied} of {len(rules)} pairs may not meet." if rules else "No policy is in force then."
    return (
        f"{opening} {forecast.stops:,} open effects would wait, and {forecast.frees:,} that wait would go on{more}. "
        "No try is used up, and what is over there already stays there."
    )


def show_forecast(forecast: Forecast, policy: Policy) -> list[Panel]:
    headers = ["Contacts of", "Connection", "Contacts"]
    return [
        Panel(title, headers=headers, rows=list_rows(found, policy), empty="None.")
        for title, found in (("May no longer go there", forecast.lost), ("May go there from then on", forecast.won))
    ]


def list_rows(found: Sequence[tuple[str, Any, int]], policy: Policy) -> list[list[object]]:
    return [[policy.name(region), f"{slug} ({slug.region})", f"{count:,}"] for region, slug, count in found]


@admin.register(RegionRule)
class RegionRuleAdmin(ReadOnlyMixin, Admin):
    """Its list is the report. The rules are changed together, on a page of their own."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm(CHANGE_POLICY))

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        return [
            path("policy/", view(self.change_policy), name="integrations_regionrule_policy"),
            path("report.csv", view(self.download), name="integrations_regionrule_download"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        self.check_view(request)
        report = make_report()
        panels = [show_matrix(report.policy), show_pairs(report), show_connections(report), show_bases(report)]
        panels += [show_history()]
        return show_page(
            request,
            "keepsync/residency.html",
            title="Residency",
            panels=panels,
            policy_address=reverse("admin:integrations_regionrule_policy")
            if self.has_change_permission(request)
            else "",
            csv_address=reverse("admin:integrations_regionrule_download"),
        )

    def check_view(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:integrations_regionrule_changelist"))

    def download(self, request: HttpRequest) -> HttpResponse:
        self.check_view(request)
        response = HttpResponse(content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="residency.csv"'
        pairs = describe(make_report())["pairs"]
        writer = csv.DictWriter(
            response, ["contacts_region", "connections_region", "allowed", "contacts", "contacts_there"]
        )
        writer.writeheader()
        writer.writerows(pairs)
        return response

    def change_policy(self, request: HttpRequest) -> HttpResponse:
        """The form, then what it would come to, then the deed."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        policy, back = read_full_policy(), reverse("admin:integrations_regionrule_changelist")
        form = PolicyForm(policy, request.POST if request.method == "POST" else None)
        if not form.is_valid():
            return show_page(request, "keepsync/residency_policy.html", title="Change the policy", form=form, back=back)
        rules = form.read_rules()
        if "confirmed" in request.POST:
            return self.save_policy(request, rules, back)
        after = make_policy(rules, Region.objects.all())
        forecast = foretell(policy, after)
        return confirm(
            request,
            button=BulkButton("Set the policy" if rules else "Switch the policy off"),
            text=explain_change(forecast, rules),
            back=back,
            panels=[*show_forecast(forecast, after), show_matrix(after, title="Who may meet then")],
            hidden=[("confirmed", "yes"), *((name, "on") for name, given in form.cleaned_data.items() if given)],
        )

    @transaction.atomic
    def save_policy(self, request: HttpRequest, rules: Mapping[Pair, bool], back: str) -> HttpResponse:
        changed = set_rules(rules, user=request.user)
        if changed:
            queue_look_at_crossings()
            LogEntry.objects.log_actions(request.user.pk or 0, changed, CHANGE, "Changed the policy")
        messages.success(request, f"{len(changed)} rules are changed. What waited and may go now goes on by itself.")
        return HttpResponseRedirect(back)


def show_history() -> Panel:
    """What was changed together stands together."""
    changes = list(
        RegionRule.history.select_related("history_user").order_by("-history_date", "-history_id")[:HISTORY_LOOKED_AT]
    )
    rows = [
        [
            show_instant(moment),
            user or NOTHING,
            describe_changes([change for change in changes if key_of(change) == key]),
        ]
        for key in list(dict.fromkeys(map(key_of, changes)))[:SHOWN]
        for moment, user in [key]
    ]
    return Panel("Last changes", headers=["When", "Who", "What"], rows=rows, empty="The policy was never changed.")


def key_of(change: Any) -> tuple[datetime, Any]:
    """Changes of one minute by one person are one."""
    return change.history_date.replace(second=0, microsecond=0), change.history_user


def describe_changes(changes: Sequence[Any]) -> str:
    gone = sum(change.history_type == "-" for change in changes)
    written = [change for change in changes if change.history_type != "-"]
    denied = [f"{each.contacts_region} to {each.connections_region}" for each in written if not each.is_allowed]
    more = f" and {len(denied) - NAMED} more" if len(denied) > NAMED else ""
    parts = [
        f"{len(written) - len(denied)} allowed" if len(written) > len(denied) else "",
        f"denied: {', '.join(denied[:NAMED])}{more}" if denied else "",
        f"{gone} rules taken away" if gone else "",
    ]
    return "; ".join(filter(None, parts))
