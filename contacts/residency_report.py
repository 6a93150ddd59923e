"""How residency stands: who is where, what waits, and what went over before a policy forbade it.

Contacts are counted by what decides their region (a few hundred groups), never read one by one. Effects that are open
are looked at as far as LOOKED_AT goes.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Count, Q

from contacts.models import Contact, ContactLink
from contacts.residency import PLACE, place_values
from integrations.crossings import HELD, find_refused, load
from integrations.holds import DUE
from integrations.models import Connection, Effect, Region, RegionRule
from integrations.privacy.residency import Basis, Policy, make_policy

LOOKED_AT = 5_000

type PlaceCount = tuple[tuple[str, str, str], int]
# Contacts of a region who may, or may not, go to a connection: how many.
type Reached = tuple[str, Connection, int]


@dataclass(frozen=True, slots=True)
class Standing:
    """One connection: how many effects wait for the policy, and how many contacts are there, of each region."""

    connection: Connection
    waiting: int
    there: Mapping[str, int]

    def count_against(self, policy: Policy) -> int:
        """Those who are there and may not be."""
        region = self.connection.region
        return sum(count for each, count in self.there.items() if not policy.allows(each, region))


@dataclass(frozen=True, slots=True)
class Report:
    """`contacts`: region → how many; `by_basis`: what that was decided by."""

    policy: Policy
    contacts: Mapping[str, int]
    by_basis: Mapping[Basis, int]
    standings: list[Standing]

    @property
    def unplaced(self) -> list[Connection]:
        return [each.connection for each in self.standings if not each.connection.region]

    @property
    def against_here(self) -> int:
        """Contacts that are kept in this installation, and whose region may not meet its own."""
        here = settings.REGION
        return sum(count for region, count in self.contacts.items() if not self.policy.allows(region, here))


def read_full_policy() -> Policy:
    """With the regions' names also where no rule is set."""
    rules = RegionRule.objects.values_list("contacts_region", "connections_region", "is_allowed")
    return make_policy({(one, other): allowed for one, other, allowed in rules}, Region.objects.all())


def make_report() -> Report:
    policy = read_full_policy()
    contacts: Counter[str] = Counter()
    by_basis: Counter[Basis] = Counter()
    for place, count in count_contacts():
        decided = place_values(policy, *place)
        contacts[decided.region] += count
        by_basis[decided.basis] += count
    return Report(policy, contacts, by_basis, list_standings(policy))


def count_contacts() -> Iterable[PlaceCount]:
    living = Contact.objects.filter(merged_into=None, erased_at=None).order_by()
    return [(tuple(place), count) for *place, count in living.values_list(*PLACE).annotate(Count("pk"))]


def list_standings(policy: Policy) -> list[Standing]:
    waiting = dict(Effect.objects.filter(HELD).order_by().values_list("connection").annotate(Count("pk")))
    there = count_there(policy)
    connections = Connection.objects.exclude(status=Connection.Status.DISABLED).defer("credentials")
    return [Standing(each, waiting.get(each.pk, 0), there.get(each.pk, {})) for each in connections]


def count_there(policy: Policy) -> dict[int, Counter[str]]:
    """Connection → region → contacts that have a record there."""
    held = ContactLink.objects.filter(merged_at=None, contact__erased_at=None).order_by()
    groups = held.values_list("connection", *(f"contact__{name}" for name in PLACE)).annotate(Count("pk"))
    found: dict[int, Counter[str]] = {}
    for connection_id, *place, count in groups:
        found.setdefault(connection_id, Counter())[place_values(policy, *place).region] += count
    return found


# --- What a change would do -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Forecast:
    """`lost` and `won`: contacts of a region that may no longer go to a connection, or may from then on.

    `stops` and `frees` are open effects; `is_whole` is False where there are more than were looked at.
    """

    lost: list[Reached]
    won: list[Reached]
    stops: int
    frees: int
    is_whole: bool


def foretell(before: Policy, after: Policy) -> Forecast:
    contacts: Counter[str] = Counter()
    for place, count in count_contacts():
        contacts[place_values(after, *place).region] += count
    placed = Connection.objects.exclude(status=Connection.Status.DISABLED).exclude(region="").defer("credentials")
    lost: list[Reached] = []
    won: list[Reached] = []
    for connection in placed:
        for region, count in sorted(contacts.items()):
            may, will = before.allows(region, connection.region), after.allows(region, connection.region)
            if may != will:
                (won if will else lost).append((region, connection, count))
    rows = load(Effect.objects.filter(Q(status__in=DUE) | HELD).exclude(connection__region="")[: LOOKED_AT + 1])
    refused = find_refused(rows[:LOOKED_AT], after).keys() if after.is_on else set[Any]()
    held = {row.pk for row in rows[:LOOKED_AT] if row.status == Effect.Status.WAITING}
    return Forecast(lost, won, len(refused - held), len(held - refused), len(rows) <= LOOKED_AT)


# --- As JSON ----------------------------------------------------------------------------------------------------------


def describe(report: Report) -> dict[str, Any]:
    policy = report.policy
    return {
        "policy": "on" if policy.is_on else "off",
        "region": settings.REGION,
        "contacts": dict(sorted(report.contacts.items())),
        "decided_by": {basis.name.lower(): report.by_basis.get(basis, 0) for basis in Basis},
        "kept_here_against_policy": report.against_here,
        "connections_without_region": [each.slug for each in report.unplaced],
        "connections": [
            {
                "slug": each.connection.slug,
                "region": each.connection.region,
                "effects_waiting": each.waiting,
                "contacts_there": sum(each.there.values()),
                "against_policy": each.count_against(policy),
            }
            for each in report.standings
        ],
        "pairs": list_pairs(report),
    }


def list_pairs(report: Report) -> list[dict[str, Any]]:
    """Each region of contacts with each region in which there is a connection."""
    regions = sorted({each.connection.region for each in report.standings} - {""})
    return [
        {
            "contacts_region": one,
            "connections_region": other,
            "allowed": report.policy.allows(one, other),
            "contacts": count,
            "contacts_there": sum(
                each.there.get(one, 0) for each in report.standings if each.connection.region == other
            ),
        }
        for one, count in sorted(report.contacts.items())
        for other in regions
    ]
