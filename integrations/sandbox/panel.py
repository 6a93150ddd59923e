"""The page of a played provider: what it received, its webhooks, its faults, and buttons that act as a person there.

    panel = Panel("zoom", name="Zoom", intro="…", show=show_sections)

    path("", panel.show, name="zoom"), *panel.urls()

`show_sections()` gives the Sections; an Action posts its fields to an address under the prefix, whose view changes the
records, sends the webhook, and returns `panel.back()`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST, require_safe

from integrations.sandbox.faults import KnobError, Knobs, get_faults, parse_knobs
from integrations.sandbox.grant_records import ACCOUNTS, Grant
from integrations.sandbox.grants import POLICIES, get_grants, mask_tokens
from integrations.sandbox.log import get_log
from integrations.sandbox.runtime import get_sender
from integrations.sandbox.signing import SCHEMES
from integrations.sandbox.webhooks import Delivery, UnknownDeliveryError

ROWS_SHOWN = 50
OF_WEBHOOKS = ("drop", "double", "reorder")
OF_GRANTS = ("token_lifetime_s", "token_latency_ms", "rate_token_5xx")


@dataclass(frozen=True)
class Input:
    """A field of an action: of a `kind` that HTML knows, or one of the `choices`, pairs of value and label."""

    name: str
    label: str
    value: str = ""
    kind: str = "text"
    choices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Action:
    """A button: `path` is relative to the provider's page, `hidden` goes along unseen."""

    label: str
    path: str
    inputs: tuple[Input, ...] = ()
    hidden: Mapping[str, str] = field(default_factory=dict)
    is_dangerous: bool = False


@dataclass(frozen=True)
class Card:
    """One record; `status` is shown as a badge, empty values of `facts` are left out."""

    id: str
    title: str
    subtitle: str = ""
    status: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    actions: tuple[Action, ...] = ()
    link: str = ""

    def shown_facts(self) -> list[tuple[str, Any]]:
        return [(name, value) for name, value in self.facts.items() if value not in ("", None, [], ())]


@dataclass(frozen=True)
class Section:
    """Records of one kind, newest first; the page shows the first 50. `actions` concern the kind as a whole."""

    title: str
    cards: Sequence[Card]
    empty: str = "Nothing so far."
    actions: tuple[Action, ...] = ()

    @property
    def anchor(self) -> str:
        return self.title.lower().replace(" ", "-")

    def shown_cards(self) -> Sequence[Card]:
        return self.cards[:ROWS_SHOWN]


class FaultsForm(forms.Form):
    """The knobs as a person sets them; the rules are those of the JSON API."""

    latency_ms = forms.IntegerField(label="Wait before answering (ms)", min_value=0)
    retry_after_s = forms.IntegerField(label="Retry-After of a 429 (seconds)", min_value=0)
    rate_429 = forms.FloatField(label="Too many requests (429), 0 to 1")
    rate_5xx = forms.FloatField(label="Server error (5xx), 0 to 1")
    rate_lost = forms.FloatField(label="Done, but the answer is lost, 0 to 1")
    rate_timeout = forms.FloatField(label="No answer at all, 0 to 1")
    seed = forms.IntegerField(label="Seed of the random numbers", min_value=0)
    is_down = forms.BooleanField(label="Down: everything answers 503", required=False)
    is_revoked = forms.BooleanField(label="Revoked: every token answers 401, none is given", required=False)
    token_lifetime_s = forms.IntegerField(
        label="Life of new access tokens (seconds, 0: the usual)", min_value=0, required=False
    )
    token_latency_ms = forms.IntegerField(label="Wait before giving a token (ms)", min_value=0, required=False)
    rate_token_5xx = forms.FloatField(label="Server error (5xx) instead of a token, 0 to 1", required=False)
    drop = forms.FloatField(label="Webhooks lost, 0 to 1")
    double = forms.FloatField(label="Webhooks sent twice, 0 to 1")
    reorder = forms.FloatField(label="Webhooks out of order, 0 to 1")

    def __init__(self, *args: Any, has_webhooks: bool, has_grants: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in (() if has_webhooks else OF_WEBHOOKS) + (() if has_grants else OF_GRANTS):
            del self.fields[name]
        for item in self.fields.values():
            if isinstance(item, forms.FloatField):
                item.widget.attrs |= {"step": "any", "min": "0", "max": "1"}

    def clean(self) -> dict[str, Any]:
        values = {name: value for name, value in self.cleaned_data.items() if value is not None}
        values["webhooks"] = {name: values.pop(name) for name in OF_WEBHOOKS if name in values}
        if not self.errors:
            try:
                self.knobs = parse_knobs(Knobs, values)
            except KnobError as error:
                name = error.field.rpartition(".")[2]
                self.add_error(name if name in self.fields else None, str(error))
        return self.cleaned_data


class Panel:
    def __init__(self, provider: str, *, name: str, intro: str, show: Callable[[], Sequence[Section]]) -> None:
        self.provider = provider
        self.name = name
        self.intro = intro
        self._show_sections = show
        self._has_webhooks = provider in SCHEMES
        self._has_grants = provider in POLICIES
        self.show = require_safe(self._show)

    def urls(self) -> list[URLPattern]:
        return [
            path("knobs/", require_POST(self._turn_knobs)),
            path("grants/<str:act>/", require_POST(self._change_grants)),
            path("deliveries/<str:delivery_id>/redeliver/", require_POST(self._redeliver)),
        ]

    def back(self) -> HttpResponse:
        return redirect(self.provider)

    def _show(self, request: HttpRequest) -> HttpResponse:
        knobs = asdict(get_faults(self.provider).knobs)
        return self._render(request, self._make_form(initial=knobs | knobs["webhooks"]), status=200)

    def _make_form(self, *args: Any, **kwargs: Any) -> FaultsForm:
        return FaultsForm(*args, **kwargs, has_webhooks=self._has_webhooks, has_grants=self._has_grants)

    def _turn_knobs(self, request: HttpRequest) -> HttpResponse:
        form = self._make_form(request.POST)
        if not form.is_valid():
            return self._render(request, form, status=422)
        get_faults(self.provider).set(form.knobs)
        return self.back()

    def _change_grants(self, request: HttpRequest, act: str) -> HttpResponse:
        change_grants(self.provider, act)
        return self.back()

    def _redeliver(self, request: HttpRequest, delivery_id: str) -> HttpResponse:
        try:
            get_sender(self.provider).redeliver(delivery_id)
        except (UnknownDeliveryError, KeyError):
            return HttpResponse("No such delivery.", status=404)
        return self.back()

    def _render(self, request: HttpRequest, form: FaultsForm, *, status: int) -> HttpResponse:
        log = get_log(self.provider)
        deliveries = get_sender(self.provider).deliveries() if self._has_webhooks else []
        context = {
            "panel": self,
            "sections": [*self._show_sections(), *([show_grants(self.provider)] if self._has_grants else [])],
            "form": form,
            "has_faults": get_faults(self.provider).knobs != Knobs(),
            "requests": log.entries()[:ROWS_SHOWN],
            "request_count": log.count,
            "has_webhooks": self._has_webhooks,
            "has_endpoint": self._has_webhooks and get_sender(self.provider).has_endpoint,
            "endpoint_variable": f"SANDBOX_{self.provider.upper()}_WEBHOOK_URL",
            "deliveries": [(item, show_body(item)) for item in deliveries[:ROWS_SHOWN]],
            "delivery_count": len(deliveries),
        }
        return render(request, "sandbox/panel.html", context, status=status)


def show_grants(provider: str) -> Section:
    """The provider's grants, with the buttons that end them all, or their access tokens."""
    actions = (
        Action("Let all access tokens expire", "grants/expire/"),
        Action("Revoke all grants", "grants/revoke/", is_dangerous=True),
    )
    return Section("Grants", [show_grant(grant) for grant in get_grants(provider).newest()], actions=actions)


def show_grant(grant: Grant) -> Card:
    status, shown = "revoked" if grant.ended_at else "active", mask_tokens(grant)
    facts = {
        "scope": grant.scope,
        "account": ACCOUNTS[grant.account].label,
        "access token ends": f"{grant.expires_at:%Y-%m-%d %H:%M:%S}" if grant.expires_at else "",
        "refreshes": grant.refreshes,
        "access token": shown.access_token,
        "refresh token": shown.refresh_token,
        "revoked": f"{grant.ended_at:%Y-%m-%d %H:%M:%S}, {grant.cause}" if grant.ended_at else "",
    }
    return Card(grant.id, grant.client_id, f"allowed {grant.made_at:%Y-%m-%d %H:%M:%S}", status, facts)


def change_grants(provider: str, act: str) -> None:
    """A button's act on all grants: expire or revoke. Raises Http404 for another."""
    acts = {"expire": get_grants(provider).expire_all, "revoke": get_grants(provider).revoke_all}
    if act not in acts:
        raise Http404(f"There is no button {act}.")
    acts[act]()


def show_body(delivery: Delivery) -> str:
    return json.dumps(json.loads(delivery.body), ensure_ascii=False, indent=2)


def refuse_action(request: HttpRequest, panel: Panel, message: str) -> HttpResponse:
    """The page that says why a button did nothing."""
    return render(request, "sandbox/refused.html", {"panel": panel, "message": message}, status=409)
