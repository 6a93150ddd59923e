"""What contacts hold about a person: fields, identifiers, consents, records at CRMs, pairs, merges, rows of imports."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import chain
from typing import Any
from uuid import UUID

from django.db.models import F, Model, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from contacts import contact_export
from contacts.claims import Kind
from contacts.detection.clusters import regroup
from contacts.detection.locks import lock_pairs
from contacts.dossiers import Deliveries, Dossier, Elsewhere, Family, Section, add_section
from contacts.histories import (
    delete_history,
    find_history,
    history_of,
    list_deliveries,
    list_held_ids,
)
from contacts.marks import Marks
from contacts.models import (
    BlockingKeys,
    CandidatePair,
    Consent,
    Contact,
    ContactLink,
    Identifier,
    ImportRow,
    ImportSeen,
    Merge,
)
from integrations.models import Connection
from integrations.privacy.encryption import list_unreadable
from integrations.privacy.payload_erasure import UNNAMED

HELD = (Identifier, Consent, ContactLink)
# A merge writes the winner before itself.
LONGEST_MERGE = timedelta(minutes=1)
TEXTS = ("full_name", "company", "notes", "country", "timezone", "lead_source")
EMPTY: Mapping[str, Any] = {
    **dict.fromkeys(TEXTS, ""),
    "region": "",
    "lead_score": 0,
    "lead_status": Contact.LeadStatus.NEW,
    "owner": None,
    "name_words": [],
    "name_company": None,
    "provenance": {},
}


def read_texts(rows: Iterable[Model], field: str) -> list[str]:
    """The field's texts, of rows in which it can be read and is not empty."""
    return [text for row in rows if field not in list_unreadable(row) and (text := str(getattr(row, field)).strip())]


# --- What names the person --------------------------------------------------------------------------------------------


def read_contact_marks(dossier: Dossier) -> Marks:
    names = chain(read_contacts(dossier), history_of(Contact).filter(id__in=dossier.family))
    held = list(Identifier.objects.filter(contact__in=dossier.family))
    own = list_own_identifiers(held, dossier.family)
    return Marks(
        emails=frozenset(read_texts((row for row in own if row.kind == Kind.EMAIL), "value")),
        phones=frozenset(read_texts((row for row in own if row.kind == Kind.PHONE), "value")),
        names=frozenset(read_texts(names, "full_name")),
        ids=list_ids(held, read_links(dossier)),
    )


def read_contacts(dossier: Dossier) -> list[Contact]:
    return dossier.note("contacts", lambda: list(Contact.objects.filter(pk__in=dossier.family)))


def read_links(dossier: Dossier) -> list[ContactLink]:
    """In the order of their connections' names."""
    links = find_links(dossier.family).select_related("connection").defer("connection__credentials")
    return dossier.note("links", lambda: list(links.order_by("connection__slug", "pk")))


def find_links(family: Family) -> QuerySet[ContactLink]:
    return ContactLink.objects.filter(contact__in=family)


def list_own_identifiers(held: Iterable[Identifier], family: Family) -> list[Identifier]:
    """Those that are nobody else's: not shared, and not taken by another contact since they were given up."""
    mine = [row for row in held if row.index is not None and not row.is_shared]
    indexes = [row.index for row in mine if not row.is_current]
    taken = Identifier.objects.filter(index__in=indexes, is_current=True).exclude(contact__in=family)
    theirs = {bytes(index) for index in taken.values_list("index", flat=True) if index is not None}
    return [row for row in mine if row.is_current or (row.index is not None and bytes(row.index) not in theirs)]


def list_ids(held: Iterable[Identifier], links: Iterable[ContactLink]) -> dict[int, set[str]]:
    """Connection id → the person's attendees and records there, as marks name them."""
    ids: dict[int, set[str]] = {}
    for row in held:
        if row.kind == Kind.ATTENDEE_ID and row.connection_id is not None:
            theirs = {f"attendee:{text}" for text in read_texts([row], "value")}
            ids.setdefault(row.connection_id, set()).update(theirs)
    for link in links:
        ids.setdefault(link.connection_id, set()).add(f"contact:{link.external_id}")
    return ids


# --- The section ------------------------------------------------------------------------------------------------------


@add_section
class Contacts(Section):
    def read_marks(self, dossier: Dossier) -> Marks:
        return read_contact_marks(dossier)

    def find_deliveries(self, dossier: Dossier) -> Deliveries:
        """What CRMs tell comes with other records, and is not kept by subject: all that those with a record sent."""
        led = list_deliveries((Contact, dossier.family), *((model, list_held(dossier, model)) for model in HELD))
        crms = Connection.objects.filter(pk__in=find_links(dossier.family).values("connection"))
        return Deliveries(sure=Q(pk__in=led), any_other=UNNAMED | Q(connection__in=list(crms)))

    def find_effects(self, dossier: Dossier) -> Q:
        return Q(subject__in=[f"contact:{key}" for key in dossier.family])

    def list_elsewhere(self, dossier: Dossier) -> Sequence[Elsewhere]:
        there = [link for link in read_links(dossier) if link.merged_at is None]
        return [Elsewhere(link.connection.slug, "contact", link.external_id) for link in there]

    def count(self, dossier: Dossier) -> Mapping[str, int]:
        contacts = read_contacts(dossier)
        return {
            "contacts": len(contacts),
            "fields": sum(len(read_texts(contacts, field)) for field in TEXTS),
            "import rows": len(list_import_rows(dossier)),
        }

    def find_rows(self, dossier: Dossier) -> Iterable[tuple[str, QuerySet[Any]]]:
        family = dossier.family
        return [
            ("identifiers", Identifier.objects.filter(contact__in=family)),
            ("consents", Consent.objects.filter(contact__in=family)),
            ("links", find_links(family)),
            ("candidate pairs", find_pairs(family)),
            ("merges", find_merges(family)),
            ("blocking keys", BlockingKeys.objects.filter(contact__in=family)),
            ("history rows", find_history(Contact, family)),
            *(("history rows", find_history(model, list_held(dossier, model))) for model in HELD),
        ]

    def erase(self, dossier: Dossier) -> None:
        """The identifiers' blind indexes stay, and the links: by them an older state that comes again is known."""
        family = dossier.family
        forget_in_others(dossier)
        delete_history(Contact, family)
        for model in HELD:
            delete_history(model, list_held(dossier, model))
        ImportRow.objects.filter(pk__in=list_import_rows(dossier)).update(values={}, contact=None)
        forget_pairs(family)
        find_merges(family).update(choices={}, before={}, changes={})
        identifiers = Identifier.objects.filter(contact__in=family)
        ImportSeen.objects.filter(index__in=identifiers.values("index")).delete()
        identifiers.filter(index=None).delete()
        identifiers.update(value="", matched_because="", introduced_by="")
        # A number identifies nobody without a name: it is free.
        identifiers.filter(kind=Kind.PHONE).update(is_current=False)
        Consent.objects.filter(contact__in=family).update(wording="", introduced_by="")
        find_links(family).update(matched_because="", pushed_hash="", exchanged={}, disputed=[])
        now = timezone.now()
        erased_at = Coalesce(F("erased_at"), Value(now))
        Contact.objects.filter(pk__in=family).update(**EMPTY, updated_at=now, erased_at=erased_at)

    def export(self, dossier: Dossier) -> Mapping[str, Any]:
        return contact_export.export(dossier)


def list_held(dossier: Dossier, model: type[Model]) -> set[Any]:
    return dossier.note(f"held {model._meta.model_name}", lambda: list_held_ids(model, dossier.family))


def find_pairs(family: Family) -> QuerySet[CandidatePair]:
    return CandidatePair.objects.filter(Q(first__in=family) | Q(second__in=family))


def forget_pairs(family: Family) -> None:
    """With the blocking keys. Whoever was joined over the person is in another group now."""
    BlockingKeys.objects.filter(contact__in=family).delete()
    lock_pairs()
    others = {key for pair in find_pairs(family).values_list("first_id", "second_id") for key in pair}
    find_pairs(family).delete()
    regroup(others - set(family))


def find_merges(family: Family) -> QuerySet[Merge]:
    return Merge.objects.filter(Q(winner__in=family) | Q(loser__in=family))


def list_import_rows(dossier: Dossier) -> list[UUID]:
    return dossier.note("import rows", lambda: find_import_rows(dossier))


def find_import_rows(dossier: Dossier) -> list[UUID]:
    """Those of the person's contacts and records, and refused ones whose values name the person."""
    rows = ImportRow.objects.select_related("run").filter(Q(contact=None) | Q(contact__in=dossier.family))
    return [row.pk for row in rows.iterator(chunk_size=500) if is_about(row, dossier)]


def is_about(row: ImportRow, dossier: Dossier) -> bool:
    if row.contact_id:
        return True
    ids: Collection[str] = dossier.marks.ids.get(row.run.connection_id or 0, ())
    is_readable = "values" not in list_unreadable(row)
    return f"contact:{row.external_id}" in ids or (is_readable and dossier.marks.identifying.are_in(row.values))


def forget_in_others(dossier: Dossier) -> None:
    """Of somebody with whom the person was merged for a time: the states of then that hold a value of the person's."""
    undone = Merge.objects.filter(loser__in=dossier.family, undone_at__isnull=False).exclude(winner__in=dossier.family)
    for merge in undone:
        if "changes" in list_unreadable(merge):
            continue
        values = {layer["new"] for layer in merge.changes.values() if isinstance(layer["new"], str)} - {""}
        span = (merge.made_at - LONGEST_MERGE, merge.undone_at)
        then = history_of(Contact).filter(id=merge.winner_id, history_date__range=span)
        mixed = [row.pk for field in ("full_name", "company", "notes") for row in then if is_of(row, field, values)]
        history_of(Contact).filter(pk__in=mixed).delete()


def is_of(row: Any, field: str, values: Collection[str]) -> bool:
    return any(text in values for text in read_texts([row], field))
