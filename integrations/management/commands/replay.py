"""Replay in the shell: at once, or as a plan."""

import time
from contextlib import suppress
from datetime import UTC, datetime
from itertools import batched
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from integrations.deliveries import explain_emptied
from integrations.exceptions import StateError
from integrations.jobs import replay_deliveries, replay_effects, work_on_replay
from integrations.management.base import KeepsyncCommand, UsageError
from integrations.models import Delivery, Effect, ReplayPlan, Verdict
from integrations.models.replay_plans import PER_SECOND_MAX
from integrations.replays import plans
from integrations.replays.filters import RowFilter, read_uuids
from integrations.replays.forecasts import Forecast, foretell, foretell_plan
from integrations.replays.kinds import KINDS, Kind
from integrations.retries import Cause

BATCH = 1000
BAR_WIDTH = 30
# How often it is looked what another process makes of the plan.
LOOK_S = 1.0
STATUSES = sorted({*Delivery.Status.values, *Effect.Status.values})
FIGURES = ("total", "replayed", "succeeded", "dead", "skipped")
Status = ReplayPlan.Status


class Command(KeepsyncCommand):
    help = (
        "Work on deliveries or effects again: those named, or those that the filters select. With --plan they are "
        "frozen first, then replayed at a rate, and can be paused, resumed and cancelled in the admin. Ctrl-C pauses "
        "a plan, and --resume goes on where it was. Killed, it goes on in the background."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("ids", nargs="*", metavar="ID", help="a row's id, or a delivery's at its sender")
        parser.add_argument("--effects", action="store_true", help="effects instead of deliveries")
        parser.add_argument("--connection", default="", metavar="S", help="of this connection only")
        parser.add_argument("--cause", default="", choices=Cause.values)
        parser.add_argument("--fingerprint", default="", help="of one group of dead letters")
        parser.add_argument("--type", default="", metavar="T", help="of this event type, or kind of effect")
        parser.add_argument("--status", action="append", default=[], choices=STATUSES, help="default: dead letters")
        parser.add_argument("--since", metavar="T", help="begun then or later (2026-11-24 or 2026-11-24T09:00Z)")
        parser.add_argument("--until", metavar="T", help="begun before then")
        parser.add_argument("--all-dead", action="store_true", help="every dead letter")
        parser.add_argument("--dry-run", action="store_true", help="count only")
        parser.add_argument("--plan", action="store_true", help="as a plan, followed until its last outcome is known")
        parser.add_argument("--per-second", type=int, metavar="N", help="how many a plan replays each second")
        parser.add_argument("--include-done", action="store_true", help="a plan takes what is done already as well")
        parser.add_argument("--resume", metavar="PLAN", help="start a plan that was approved, or go on with one")
        parser.add_argument(
            "--wait", type=float, default=60.0, metavar="SECONDS", help="for outcomes once all is replayed (60)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self.problem = ""
        super().handle(*args, **options)
        if self.problem:
            raise CommandError(self.problem)

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        check_usage(options)
        if options["resume"]:
            return self.follow_or_pause(self.take_up(find_plan(options["resume"])), options["wait"])
        chosen = read_filter(options)
        if not options["plan"]:
            return self.replay_at_once(chosen.kind, chosen.select(), is_dry=options["dry_run"])
        if options["dry_run"]:
            forecast = foretell(chosen.kind, chosen.select(), includes_done=options["include_done"])
            return self.tell_forecast(forecast)
        return self.run_plan(chosen, options)

    def replay_at_once(self, kind: Kind, found: QuerySet[Any], *, is_dry: bool) -> dict[str, Any]:
        matched = found.count()
        keys = list(kind.replayable(found).order_by("id").values_list("pk", flat=True))
        if is_dry:
            self.say(f"{len(keys)} of {matched} {kind.plural} would be replayed.")
            return {"matched": matched, "replayed": 0, "would_replay": len(keys)}
        done = 0
        for batch in batched(keys, BATCH):
            done += replay_batch(kind, batch)
            if len(keys) > BATCH:
                self.stderr.write(f"\r{done} of {len(keys)}", ending="")
        self.say(f"{done} of {matched} {kind.plural} are replayed.")
        self.tell_emptied(kind, found)
        return {"matched": matched, "replayed": done}

    def tell_emptied(self, kind: Kind, found: QuerySet[Any]) -> None:
        """Deliveries whose payload is not kept any more are left, with what to do instead."""
        if kind.model is not Delivery:
            return
        emptied = found.filter(emptied_at__isnull=False).order_by("id")
        if first := emptied.select_related("connection").first():
            self.problem = f"{emptied.count():,} cannot be replayed. {explain_emptied(first)}"

    # --- Plans

    def run_plan(self, chosen: RowFilter, options: dict[str, Any]) -> dict[str, Any]:
        try:
            plan = plans.make(
                chosen.kind,
                chosen.select(),
                words=chosen.describe(),
                per_second=options["per_second"],
                includes_done=options["include_done"],
            )
        except StateError as error:
            raise CommandError(str(error)) from error
        forecast = self.tell_forecast(foretell_plan(plan))
        self.say(f"Plan {plan.pk}: {plan}, {plan.per_second} a second.")
        if plan.needs_approval:
            self.problem = f"It waits for approval in the admin. Then: replay --resume {plan.pk}"
            return {**forecast, **self.describe(plan)}
        return {**forecast, **self.follow_or_pause(self.take_up(plan), options["wait"])}

    def take_up(self, plan: ReplayPlan) -> ReplayPlan:
        """Start it, or resume it. One that runs is followed."""
        try:
            if plan.status == Status.DRAFT:
                plans.start(plan)
            elif plan.status == Status.PAUSED:
                plans.resume(plan)
        except StateError as error:
            raise CommandError(str(error)) from error
        return plan

    def follow_or_pause(self, plan: ReplayPlan, wait_s: float) -> dict[str, Any]:
        try:
            plan = self.follow(plan, wait_s)
        except KeyboardInterrupt:
            with suppress(StateError):
                plans.pause(plan)
            plan.refresh_from_db()
        self.end_progress()
        self.tell_outcome(plan)
        return self.describe(plan)

    def follow(self, plan: ReplayPlan, wait_s: float) -> ReplayPlan:
        """Work on it, or look how others do, until it is over, paused, or its last outcomes let themselves wait for."""
        waits_until = None
        while True:
            delay_s = work_on_replay(plan.pk)
            plan.refresh_from_db()
            self.show_progress(plan)
            if plan.finished_at or plan.status == Status.PAUSED:
                return plan
            if not plan.left:
                waits_until = waits_until or time.monotonic() + wait_s
                if time.monotonic() >= waits_until:
                    return plan
            time.sleep(min(LOOK_S if delay_s is None else delay_s, LOOK_S))

    # --- What people see

    def tell_forecast(self, forecast: Forecast) -> dict[str, Any]:
        by_verdict = {verdict.value: count for verdict, count in sorted(forecast.counts.items())}
        self.say(
            f"{forecast.total:,} match: {forecast.runs:,} will run, {forecast.done:,} are done already and suppressed, "
            f"{forecast.conflicts:,} would conflict and are left."
        )
        for verdict, count in sorted(forecast.counts.items()):
            if verdict != Verdict.RUNS:
                self.say(f"  {count:,} × {verdict.label}")
        figures = {"will_run": forecast.runs, "done": forecast.done, "conflicts": forecast.conflicts}
        return {"matched": forecast.total, **figures, "by_verdict": by_verdict}

    def show_progress(self, plan: ReplayPlan) -> None:
        if self.is_json:
            return
        looked_at = plan.total - plan.left
        filled = BAR_WIDTH * looked_at // max(plan.total, 1)
        bar = "#" * filled + "." * (BAR_WIDTH - filled)
        self.stderr.write(f"\r\033[K[{bar}] {looked_at:,} of {plan.total:,}, {plan.succeeded:,} succeeded", ending="")

    def end_progress(self) -> None:
        if not self.is_json:
            self.stderr.write("\r\033[K", ending="")

    def tell_outcome(self, plan: ReplayPlan) -> None:
        self.say(
            f"{plan.total:,} in the plan: {plan.replayed:,} replayed, of which {plan.succeeded:,} succeeded and "
            f"{plan.dead:,} are dead again; {plan.skipped:,} skipped."
        )
        for reason, count in plan.receipt.get("by_reason", {}).items():
            self.say(f"  {count:,} skipped: {Verdict(reason).label}")
        for cause, count in plan.receipt.get("by_cause", {}).items():
            self.say(f"  {count:,} dead again: {Cause(cause).label if cause else 'Unknown'}")
        self.problem = find_problem(plan)

    def describe(self, plan: ReplayPlan) -> dict[str, Any]:
        figures = {name: getattr(plan, name) for name in FIGURES}
        ending = {name: plan.receipt.get(name, {}) for name in ("by_reason", "by_cause")}
        return {"plan": str(plan.pk), "status": plan.status, "per_second": plan.per_second, **figures, **ending}


def find_problem(plan: ReplayPlan) -> str:
    """Why the plan is not done, or not well; empty where it is."""
    if plan.status == Status.PAUSED:
        return f"The plan is paused. To go on: replay --resume {plan.pk}"
    if plan.status == Status.CANCELLED:
        return "The plan was cancelled."
    if not plan.finished_at:
        return f"{plan.replayed - plan.succeeded - plan.dead:,} have no outcome yet: the plan's page will tell."
    return f"{plan.dead:,} are dead again." if plan.dead else ""


def replay_batch(kind: Kind, ids: tuple[UUID, ...]) -> int:
    if kind.model is Effect:
        return len(replay_effects(Effect.objects.filter(pk__in=ids)))
    return len(replay_deliveries(Delivery.objects.filter(pk__in=ids)))


# --- What was asked for -----------------------------------------------------------------------------------------------


def check_usage(options: dict[str, Any]) -> None:
    """Raises UsageError."""
    rate = options["per_second"]
    if rate is not None and not 1 <= rate <= PER_SECOND_MAX:
        raise UsageError(f"--per-second is from 1 to {PER_SECOND_MAX}.")
    if (rate is not None or options["include_done"]) and not options["plan"]:
        raise UsageError("--per-second and --include-done are for --plan.")
    selects = any(options[name] for name in ("ids", "all_dead", "cause", "fingerprint", "type", "status"))
    if options["resume"]:
        if selects or options["plan"] or options["dry_run"]:
            raise UsageError("--resume takes the plan as it is: no rows, no filters, no --plan.")
    elif not selects:
        raise UsageError("name rows, or give --cause, --fingerprint, --type, --status or --all-dead.")


def read_filter(options: dict[str, Any]) -> RowFilter:
    return RowFilter(
        kind=KINDS[ReplayPlan.Kind.EFFECT if options["effects"] else ReplayPlan.Kind.DELIVERY],
        ids=options["ids"],
        statuses=options["status"],
        connection=options["connection"],
        cause=options["cause"],
        fingerprint=options["fingerprint"],
        what=options["type"],
        since=read_moment("--since", options["since"]),
        until=read_moment("--until", options["until"]),
    )


def read_moment(option: str, text: str | None) -> datetime | None:
    """A day or a moment, in UTC where it says nothing else. Raises UsageError."""
    if text is None:
        return None
    try:
        moment, day = parse_datetime(text), parse_date(text[:10])
    except ValueError:
        moment = day = None
    if moment is None and day is not None and len(text) == len("2026-11-24"):
        moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
    if moment is None:
        raise UsageError(f"{option} {text} is no time: write 2026-11-24 or 2026-11-24T09:00Z.")
    return moment if moment.tzinfo else timezone.make_aware(moment, UTC)


def find_plan(text: str) -> ReplayPlan:
    """Raises UsageError where there is none."""
    plan = ReplayPlan.objects.filter(pk__in=read_uuids([text])).first()
    if plan is None:
        raise UsageError(f"there is no plan {text}.")
    return plan
