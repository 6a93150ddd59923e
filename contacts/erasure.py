"""Erasing a person: what they are recognised by, said and did is forgotten, for good.

1. Payloads that name the person are found first, without a lock: they have to be read.
2. In one transaction, under the locks of merges and upserts, each section (dossiers.py) forgets what it holds. Effects
   about the person that have not happened yet are closed.
3. The payloads are emptied, or marked to be (integrations/privacy/payload_erasure.py).
4. What is left of the contact, and of all that went into it, is an empty row with the blind indexes of its identifiers
   and its external ids: an older state that comes again is known by them, and brings nobody back.

What others hold stays there: the receipt lists it.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Count, Q, QuerySet, Value

from contacts import contact_section  # noqa: F401  (it registers itself)
from contacts.aliases import lock_contacts, lock_forest
from contacts.dossiers import (
    Dossier,
    Elsewhere,
    compile_dossier,
    find_effects,
    find_sure_deliveries,
    find_told_deliveries,
    list_sections,
)
from contacts.models import Contact, ContactLink, Erasure
from integrations import effect_actions
from integrations.events import Origin
from integrations.models import Delivery
from integrations.privacy import payload_erasure
from integrations.races import run_race

CLOSED = "The person was erased."


@dataclass(frozen=True, slots=True)
class ErasurePreview:
    """What erasing would do. `counts`: kind of row → how many hold something of the person.

    `waiting` payloads are emptied once they have been worked on; `stuck` ones were refused or have failed for good, and
    are closed: replay them first, if they are news of others too. `elsewhere` has to be deleted there, by its users.
    `is_partial`: there are more payloads that nothing leads to than were read for this; erasing reads them all.
    """

    counts: Mapping[str, int]
    waiting: int
    stuck: int
    elsewhere: Sequence[Elsewhere]
    contacts: int
    is_partial: bool


def preview_erasure(contact: Contact, *, most_read: int | None = None) -> ErasurePreview:
    """Changes nothing, and locks nothing. Of the payloads that nothing leads to, the newest `most_read` are read."""
    dossier = compile_dossier(contact)
    told = find_told_deliveries(dossier, most_read=most_read)
    payloads = told.deliveries | find_sure_deliveries(dossier)
    found = Delivery.objects.filter(pk__in=payloads, erased_at=None)
    waits = payload_erasure.TO_BE_WORKED_ON
    stuck = found.exclude(waits).filter(status__in=payload_erasure.UNSETTLED)
    unsettled = count_together([("waiting", found.filter(waits)), ("stuck", stuck)])
    return ErasurePreview(
        counts=count_all(dossier, payloads),
        waiting=unsettled["waiting"],
        stuck=unsettled["stuck"],
        elsewhere=list_elsewhere(dossier),
        contacts=len(dossier.family),
        is_partial=told.is_partial,
    )


def erase(contact: Contact, *, user: AbstractBaseUser | None = None) -> Erasure:
    """Erase the person for good, and return the receipt. Doing it once more finds nothing, and is harmless."""
    told = find_told_deliveries(compile_dossier(contact)).deliveries
    made: list[Erasure] = []
    run_race(lambda: made.append(erase_now(contact, told, user)))
    return made[-1]


def erase_now(contact: Contact, told: set[UUID], user: AbstractBaseUser | None) -> Erasure:
    lock_forest()
    dossier = lock_dossier(contact)
    payloads = told | find_sure_deliveries(dossier)
    made = Erasure(contact=dossier.contact, user_id=user.pk if user else None)
    made.counts = count_all(dossier, payloads)
    made.elsewhere = [asdict(each) for each in list_elsewhere(dossier)]
    effect_actions.close_all(find_effects(dossier), CLOSED)
    for section in list_sections():
        section.erase(dossier)
    payload_erasure.erase_payloads(payloads)
    made.save()
    return made


def lock_dossier(contact: Contact) -> Dossier:
    """With the person's rows locked, in the order in which deliveries lock them."""
    dossier = compile_dossier(contact)
    for section in list_sections():
        section.lock(dossier)
    lock_contacts(dossier.family)
    return compile_dossier(contact)


def count_all(dossier: Dossier, payloads: set[UUID]) -> dict[str, int]:
    sections = list_sections()
    counts: Counter[str] = Counter()
    for section in sections:
        counts.update(section.count(dossier))
    open_effects = Q(status__in=(*effect_actions.SUPPRESSIBLE, *effect_actions.DISCARDABLE))
    rows = [
        *(each for section in sections for each in section.find_rows(dossier)),
        ("effects that have not happened yet", find_effects(dossier).filter(open_effects)),
        ("payloads", Delivery.objects.filter(pk__in=payloads, erased_at=None)),
    ]
    counts.update(count_together(rows))
    return dict(counts)


def count_together(rows: Iterable[tuple[str, QuerySet[Any]]]) -> Counter[str]:
    """How many there are of each kind, in one query."""
    first, *others = [found.order_by().values(section=Value(kind)).annotate(total=Count("pk")) for kind, found in rows]
    counts: Counter[str] = Counter()
    for row in first.union(*others, all=True).order_by():
        counts[row["section"]] += row["total"]
    return counts


def list_elsewhere(dossier: Dossier) -> list[Elsewhere]:
    return [each for section in list_sections() for each in section.list_elsewhere(dossier)]


def forget_news(origin: Origin, external_ids: Collection[str]) -> None:
    """Empty what a CRM tells of the records of somebody who was erased, once it has been worked on."""
    told = ContactLink.objects.filter(connection=origin.connection_id, external_id__in=external_ids)
    if origin.delivery_id and told.filter(contact__erased_at__isnull=False).exists():
        payload_erasure.erase_payloads([origin.delivery_id])
