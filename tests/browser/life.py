"""A life for an installation: one row or more of all that its pages can show, of which no worker does anything."""

from django.contrib.auth.models import User
from django.utils import timezone
from django_q.models import Task

from bookings.models import Conflict
from contacts.erasure import erase
from contacts.merging import merge
from contacts.models import Contact, ImportRun
from integrations.models import Alert, Connection, Delivery, ReplayPlan
from integrations.operations.alerts import open_alert
from integrations.operations.rules import Finding
from integrations.replays import plans
from integrations.replays.kinds import KINDS
from tests.contacts.families import NOON, attend, meet
from tests.contacts.pairs import make_pair
from tests.factories import make_delivery, make_payload
from tests.integrations.admin.support import make_effect

FINGERPRINT = "life" * 4


def make_life() -> None:
    calendar = Connection.objects.get(slug="calendar-live")
    crm = Connection.objects.get(slug="hubspot")
    grace, g, alan, mary = (
        meet(calendar, f"att_life_{number}", f"{name.lower().replace(' ', '.')}@life.example", full_name=name)
        for number, name in enumerate(("Grace Hopper", "Gracie Hopper", "Alan Turing", "Mary Cartwright"))
    )
    make_failures(calendar, crm)
    make_conflicts(calendar, crm, grace)
    make_pair(grace, g, probability=0.9)
    merge(alan, meet(calendar, "att_life_9", "a.turing@life.example", full_name="A. Turing"))
    erase(mary)
    ImportRun.objects.create(
        source="csv", file_name="people.csv", status="done", is_dry_run=True, total=3, read=3, created=2, refused=1
    )
    User.objects.create_user("nora", is_staff=True)


def make_failures(calendar: Connection, crm: Connection) -> None:
    """Dead letters of both kinds, a plan to replay them, an effect that waits for a person, an alert, a failed job."""
    for number in range(3):
        told = make_payload(f"dlv_life_{number}", uid=f"uid_life_{number}", id=f"ev_life_{number}")
        make_delivery(
            calendar, told, status="dead", cause="payload", fingerprint=FINGERPRINT, error="data.event.start: no date."
        )
    make_effect(crm, status="dead", cause="permanent", fingerprint=FINGERPRINT, error="HubSpot answers 400.")
    make_effect(crm, status="waiting", cause="unknown_outcome", kind="slack.message", error="Nobody knows.")
    plans.make(KINDS[ReplayPlan.Kind.DELIVERY], Delivery.objects.filter(fingerprint=FINGERPRINT), words="status dead")
    open_alert("certificate", Finding(crm, "The certificate of hubspot ends in 3 days", Alert.Level.CRITICAL))
    Task.objects.create(
        id="life",
        name="life",
        func="integrations.jobs.beat",
        success=False,
        started=timezone.now(),
        stopped=timezone.now(),
    )


def make_conflicts(calendar: Connection, crm: Connection, contact: Contact) -> None:
    """Two meetings at once, and a title that both sides have changed."""
    late, early = (attend(calendar, contact, "att_life_0", f"ev_life_{name}").meeting for name in ("late", "early"))
    Conflict.objects.create(kind="double_booking", meeting=late, other_meeting=early)
    Conflict.objects.create(
        kind="field", meeting=early, connection=crm, field="title", ours="Trial call", theirs="Demo", ours_at=NOON,
        theirs_at=NOON, ours_by="calendar.live", theirs_by="HubSpot",
    )  # fmt: skip
