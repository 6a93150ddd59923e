"""What of meetings stands in the runbook."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Count, Sum

from bookings.models import Discrepancy, MeetingLink, ReconciliationRun
from contacts.models import ContactLink
from integrations.ids import first_id_at
from integrations.mappings import OUR_FIELDS, Record
from integrations.models import ChangeCount, Connection, FieldMapping
from integrations.operations.pages import list_of
from integrations.operations.runbook import Part, Rhythm, runbook_task
from integrations.ownership import digest_value

WEEK, UNUSED = timedelta(days=7), timedelta(days=90)
# Of each CRM the records that were brought there last.
SAMPLED = 2000
LINKS: dict[str, type[ContactLink | MeetingLink]] = {Record.CONTACT: ContactLink, Record.MEETING: MeetingLink}
FIGURES = ("checked", "discrepancies", "repaired", "escalated", "redelivered")


@runbook_task(
    "reconciliation",
    Rhythm.WEEKLY,
    "Reconciliation report",
    what="See whether webhooks are missed, and settle what was left to a person.",
)
def report_reconciliation(now: datetime) -> Iterator[Part]:
    runs = ReconciliationRun.objects.filter(id__gte=first_id_at(now - WEEK)).order_by("connection__slug")
    sums = runs.values_list("connection__slug").annotate(Count("pk"), *map(Sum, FIGURES))
    yield Part(
        "Runs of the last week",
        headers=["Connection", "Runs", "Checked", "Discrepancies", "Repaired", "Left to a person", "Asked for again"],
        rows=[[slug, *(f"{figure:,}" for figure in figures)] for slug, *figures in sums],
        links=[("Runs", list_of(ReconciliationRun))],
        empty="None was run: see whether the schedule lives.",
    )
    counts = ChangeCount.objects.filter(day__gt=(now - WEEK).date()).order_by("connection__slug")
    missed = counts.values_list("connection__slug").annotate(checked=Sum("checked"), missed=Sum("missed"))
    yield Part(
        "Changes that no webhook had told",
        headers=["Connection", "Changes looked at", "Missed", "Share"],
        rows=[[slug, f"{all_:,}", f"{lost:,}", f"{lost / all_:.2%}" if all_ else "-"] for slug, all_, lost in missed],
        empty="No change was looked at.",
    )
    waiting = Discrepancy.objects.filter(status=Discrepancy.Status.OPEN).order_by("kind").values_list("kind")
    yield Part(
        "Discrepancies that wait for a person",
        headers=["Kind", "How many"],
        rows=[[Discrepancy.Kind(kind).label, f"{n:,}"] for kind, n in waiting.annotate(count=Count("pk"))],
        links=[("Open ones", list_of(Discrepancy, status__exact="open"))],
        empty="There are none.",
    )


# --- Quarterly --------------------------------------------------------------------------------------------------------


@runbook_task(
    "unused_fields",
    Rhythm.QUARTERLY,
    "Unused fields",
    what="Take a mapping away that carries nothing, and ask whether a field that is not mapped is needed at the CRM.",
)
def report_unused_fields(now: datetime) -> Iterator[Part]:
    used = Connection.objects.exclude(status=Connection.Status.DISABLED).filter(field_mappings__isnull=False)
    for crm in used.defer("credentials").distinct().order_by("slug"):
        for record in LINKS:
            yield describe_fields(crm, record, now)


def describe_fields(crm: Connection, record: str, now: datetime) -> Part:
    mapped = list(crm.field_mappings.filter(record=record).values_list("ours", "theirs"))
    carried, looked_at = read_carried(crm, record, now)
    idle = [[ours, theirs, "never carried a value"] for ours, theirs in mapped if looked_at and theirs not in carried]
    bare = sorted(OUR_FIELDS[record].keys() - {ours for ours, _ in mapped})
    return Part(
        f"Fields of {record}s at {crm}",
        headers=["Ours", "Theirs", "Because"],
        rows=[*idle, *([ours, "-", "is not mapped"] for ours in bare)],
        links=[("Mapping", list_of(FieldMapping, connection__id__exact=crm.pk))],
        note=f"Of {looked_at:,} records, the last ones brought there within {UNUSED.days} days ({SAMPLED:,} at most).",
        empty="Each of our fields is mapped, and has carried a value.",
    )


def read_carried(crm: Connection, record: str, now: datetime) -> tuple[set[str], int]:
    """The CRM's names of fields that held something in one of the records; and how many records were looked at."""
    links = LINKS[record]._default_manager.filter(connection=crm, pushed_at__gte=now - UNUSED).order_by("-id")
    exchanged = list(links.values_list("exchanged", flat=True)[:SAMPLED])
    nothing = {"", digest_value(None)}
    return {name for each in exchanged for name, entry in each.items() if entry[0] not in nothing}, len(exchanged)
