"""Replay in the shell."""

from typing import Any
from uuid import UUID

from django.core.management.base import CommandParser
from django.db.models import Q, QuerySet

from integrations.deliveries import replayable
from integrations.jobs import replay_deliveries
from integrations.management.base import KeepsyncCommand, UsageError
from integrations.models import Delivery
from integrations.retries import Cause

BATCH = 1000


class Command(KeepsyncCommand):
    help = "Work on deliveries again: those named, or the dead letters that the filters select."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("ids", nargs="*", metavar="ID", help="a delivery's id, here or at its sender")
        parser.add_argument("--connection", metavar="S", help="of this connection only")
        parser.add_argument("--cause", choices=Cause.values)
        parser.add_argument("--fingerprint", help="of one group of dead letters")
        parser.add_argument("--all-dead", action="store_true", help="every dead letter")
        parser.add_argument("--dry-run", action="store_true", help="count only")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        found = select(options)
        matched = found.count()
        keys = list(replayable(found).order_by("id").values_list("pk", flat=True))
        count = len(keys)
        if options["dry_run"]:
            self.say(f"{count} of {matched} deliveries would be replayed.")
            return {"matched": matched, "replayed": 0, "would_replay": count}
        done = 0
        for start in range(0, len(keys), BATCH):
            done += len(replay_deliveries(Delivery.objects.filter(pk__in=keys[start : start + BATCH])))
            if len(keys) > BATCH:
                self.stderr.write(f"\r{done} of {len(keys)}", ending="")
        self.say(f"{done} of {matched} deliveries are replayed.")
        return {"matched": matched, "replayed": done}


def select(options: dict[str, Any]) -> QuerySet[Delivery]:
    found = Delivery.objects.all()
    if options["connection"]:
        found = found.filter(connection__slug=options["connection"])
    if options["ids"]:
        return found.filter(Q(delivery_id__in=options["ids"]) | Q(pk__in=read_uuids(options["ids"])))
    if not (options["all_dead"] or options["cause"] or options["fingerprint"]):
        raise UsageError("name deliveries, or give --cause, --fingerprint or --all-dead.")
    found = found.filter(status=Delivery.Status.DEAD)
    if options["cause"]:
        found = found.filter(cause=options["cause"])
    if options["fingerprint"]:
        found = found.filter(fingerprint=options["fingerprint"])
    return found


def read_uuids(texts: list[str]) -> list[UUID]:
    found = []
    for text in texts:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found
