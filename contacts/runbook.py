"""What of contacts stands in the runbook."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Count, Min

from contacts.models import CandidatePair, Merge
from contacts.review_queue import list_due
from integrations.ids import first_id_at
from integrations.operations.pages import list_of
from integrations.operations.runbook import Part, Rhythm, runbook_task

Verdict = CandidatePair.Verdict
WEEK = timedelta(days=7)
# More than so many are not counted.
COUNTED = 10_000


@runbook_task(
    "duplicates", Rhythm.WEEKLY, "Duplicates for review", what="Work the queue off, or say who does where it grows."
)
def report_duplicates(now: datetime) -> Iterator[Part]:
    due = CandidatePair.objects.filter(pk__in=list_due(CandidatePair.objects.all()).order_by().values("pk")[:COUNTED])
    found = due.order_by("verdict").values_list("verdict").annotate(count=Count("pk"), oldest=Min("created_at"))
    counted = list(found)
    yield Part(
        "Pairs that wait for a decision",
        headers=["Verdict", "How many", "The oldest was opened"],
        rows=[
            [Verdict(verdict).label if verdict else "Not compared yet", f"{count:,}", f"{oldest:%Y-%m-%d}"]
            for verdict, count, oldest in counted
        ],
        links=[("Pairs to review", list_of(CandidatePair))],
        note=f"{COUNTED:,} were counted, and there are more." if sum(row[1] for row in counted) == COUNTED else "",
        empty="There are none.",
    )
    merged = Merge.objects.filter(id__gte=first_id_at(now - WEEK)).order_by().count()
    links = [("Merges", list_of(Merge))]
    yield Part("Within the last week", ["What", "How many"], [["Contacts that became one", f"{merged:,}"]], links)
