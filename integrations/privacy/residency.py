"""Residency: to which region a person belongs, and which regions may meet.

A person belongs to the region that somebody has set for them; else to that of their country; else to that of their
time zone's country; else to the installation's own (REGION). A country that no region names is of the rest of the
world. A connection without a region is open to all.

As long as there is no rule, everything may go everywhere. From the first rule on, what no rule allows is denied, but
for a region's own contacts.
"""

from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction

from integrations.models import Connection, Region, RegionRule
from integrations.zones import find_country

# The region of countries that no other one names.
REST = "world"

type Pair = tuple[str, str]


class Basis(StrEnum):
    """What a person's region was decided by."""

    SET = "set by a person"
    COUNTRY = "country"
    ZONE = "time zone"
    DEFAULT = "nothing known: the installation's own"


class Place(NamedTuple):
    region: str
    basis: Basis


@dataclass(frozen=True, slots=True)
class Policy:
    """`rules`: region of contacts and of connections → whether they may meet. `regions`: code → name."""

    rules: Mapping[Pair, bool]
    regions: Mapping[str, str]
    countries: Mapping[str, str]
    default: str

    @property
    def is_on(self) -> bool:
        return bool(self.rules)

    def allows(self, contacts_region: str, connections_region: str) -> bool:
        if not self.is_on or not connections_region:
            return True
        return self.rules.get((contacts_region, connections_region), contacts_region == connections_region)

    def decide(self, *, region: str = "", country: str = "", zone: str = "") -> Place:
        """Where somebody belongs for whom `region` is set, and of whom `country` and `zone` are known; or empty."""
        if region:
            return Place(region, Basis.SET)
        for basis, code in ((Basis.COUNTRY, country), (Basis.ZONE, find_country(zone))):
            if code and (found := self.find_region(code)):
                return Place(found, basis)
        return Place(self.default, Basis.DEFAULT)

    def find_region(self, country: str) -> str:
        """Empty where no region takes the country in."""
        return self.countries.get(country) or (REST if REST in self.regions else "")

    def name(self, region: str) -> str:
        return self.regions.get(region, region)


def read_policy() -> Policy:
    """As it is now: two queries, and one where it is off."""
    rules = {(rule.contacts_region, rule.connections_region): rule.is_allowed for rule in RegionRule.objects.all()}
    return make_policy(rules, Region.objects.all() if rules else ())


def make_policy(rules: Mapping[Pair, bool], regions: Iterable[Region]) -> Policy:
    known = list(regions)
    return Policy(
        rules=rules,
        regions={region.code: region.name for region in known},
        countries={country: region.code for region in known for country in region.countries},
        default=settings.REGION,
    )


@transaction.atomic
def set_rules(rules: Mapping[Pair, bool], *, user: Any = None) -> list[RegionRule]:
    """Let these be all the rules there are; none switches the policy off. Returns those that are new, or other now."""
    known = {(rule.contacts_region, rule.connections_region): rule for rule in RegionRule.objects.select_for_update()}
    changed = []
    for pair in known.keys() | rules.keys():
        rule: Any = known.get(pair) or RegionRule(contacts_region=pair[0], connections_region=pair[1])
        rule._history_user = user
        if pair not in rules:
            changed.append(copy(rule))
            rule.delete()
        elif rule._state.adding or rule.is_allowed != rules[pair]:
            rule.is_allowed = rules[pair]
            rule.save()
            changed.append(rule)
    return changed


def check_policy() -> tuple[bool, str]:
    """Whether a residency policy is set and can work, and a sentence that says how it stands."""
    policy = read_policy()
    if not policy.is_on:
        return False, "No residency policy is set: every contact may go to every connection."
    if policy.default not in policy.regions:
        return (
            False,
            f"REGION is {policy.default!r}, which is no region of the list: add it, or set another.",
        )
    open_to_all = Connection.objects.filter(region="").exclude(status=Connection.Status.DISABLED).count()
    denied = sum(not policy.allows(one, other) for one in policy.regions for other in policy.regions)
    met = f"Of {len(policy.regions) ** 2} pairs of regions {denied} may not meet."
    if open_to_all:
        return False, f"{met} {open_to_all} connections have no region, and are open to all contacts."
    return True, f"{met} Every connection has a region."
