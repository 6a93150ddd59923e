"""The regions of contacts, and the effects that carry their data."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from contacts.crm_merges import MERGE
from contacts.models import Contact
from contacts.sync import UPSERT
from integrations.crossings import Cargo, carries_people
from integrations.models import Effect
from integrations.privacy.residency import Place, Policy

# What a contact's place is decided by, in the order in which `place_values` takes it.
PLACE = ("region", "country", "timezone")


def place_of(contact: Contact, policy: Policy) -> Place:
    return place_values(policy, contact.region, contact.country, contact.timezone)


def place_values(policy: Policy, region: str, country: str, zone: str) -> Place:
    return policy.decide(region=region, country=country, zone=zone)


def read_regions(contact_ids: Iterable[Any], policy: Policy) -> dict[UUID, str]:
    """Contact → region. Of those who were erased, or merged into others, nothing is carried."""
    living = Contact.objects.filter(pk__in=list(contact_ids), merged_into=None, erased_at=None)
    rows = living.order_by().values_list("pk", *PLACE)
    return {key: place_values(policy, *place).region for key, *place in rows}


@carries_people(UPSERT, MERGE)
def list_cargo(effects: Sequence[Effect], policy: Policy) -> list[Cargo]:
    ids = [UUID(effect.subject.partition(":")[2]) for effect in effects]
    regions = read_regions(ids, policy)
    return [Cargo({regions[key]} if key in regions else ()) for key in ids]
