"""The plumbing's tasks of the runbook, and their reports: from hourly counts, and from tables that stay small."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Count, Max, Min, Q, Sum
from django.urls import reverse
from rest_framework.authtoken.models import Token as ApiToken
from rest_framework.authtoken.models import TokenProxy

from integrations.models import Connection, CountedHour, Delivery, Effect, HourlyCount, Pair, RegionRule, Token
from integrations.operations import histograms
from integrations.operations.figures import PERIODS, Cell, read_cells
from integrations.operations.pages import list_of
from integrations.operations.runbook import Part, Rhythm, runbook_task
from integrations.operations.standing import OPEN, count_dead, look_at_deliveries, look_at_effects
from integrations.privacy.residency import check_policy
from integrations.providers import PROVIDERS, name_provider
from integrations.retries import Cause
from integrations.roles import NAMES

What = HourlyCount.What
MODELS: dict[str, type[Delivery | Effect]] = {What.DELIVERY: Delivery, What.EFFECT: Effect}
FAILED = ("rejected", "retrying", "waiting", "dead")
LAG_OBJECTIVE_S = 30.0
UNUSED = timedelta(days=90)
DISABLED = Connection.Status.DISABLED


def count(number: int) -> str:
    return f"{number:,}"


def show_day(moment: datetime | None, never: str = "never") -> str:
    return f"{moment:%Y-%m-%d}" if moment else never


def list_used() -> list[Connection]:
    return list(Connection.objects.exclude(status=DISABLED).defer("credentials").order_by("slug"))


def read_day(now: datetime) -> list[Cell]:
    return read_cells(PERIODS["24h"], now, [What.DELIVERY, What.EFFECT])


# --- Daily ------------------------------------------------------------------------------------------------------------


@runbook_task(
    "failures",
    Rhythm.DAILY,
    "Failures",
    what="See what has failed since yesterday, and whether it is one cause or many.",
)
def report_failures(now: datetime) -> Iterator[Part]:
    slugs, cells = dict(Connection.objects.values_list("pk", "slug")), read_day(now)
    for what, model in MODELS.items():
        counts: dict[int, Counter[str]] = defaultdict(Counter)
        for cell in cells:
            if cell.what == what:
                counts[cell.connection_id][cell.outcome] += cell.count
        yield Part(
            f"{model._meta.verbose_name_plural} of the last 24 hours".capitalize(),
            headers=["Connection", "All", *map(str.capitalize, FAILED)],
            rows=[
                [slugs.get(key, "-"), count(sum(found.values())), *(count(found[outcome]) for outcome in FAILED)]
                for key, found in sorted(counts.items(), key=lambda each: slugs.get(each[0], ""))
            ],
            links=[
                (outcome.capitalize(), list_of(model, status__exact=outcome))
                for outcome in FAILED
                if outcome in model.Status.values
            ],
            empty="None came about.",
        )


@runbook_task(
    "dead_letters",
    Rhythm.DAILY,
    "Dead letters",
    what="Mend each cause and replay its group, or discard it with a reason.",
)
def report_dead_letters(now: datetime) -> Iterator[Part]:
    for model in MODELS.values():
        yield Part(
            f"Dead {model._meta.verbose_name_plural}",
            headers=["Cause", "How many"],
            rows=[[Cause(cause).label if cause else "-", count(number)] for cause, number in count_dead(model).items()],
            links=[("By what went wrong", reverse("admin:integrations_delivery_dead_letters"))],
            empty="There are none.",
        )


@runbook_task(
    "lag", Rhythm.DAILY, "Lag", what="See whether changes arrive within 30 seconds, and whether something piles up."
)
def report_lag(now: datetime) -> Iterator[Part]:
    cells = read_day(now)
    rows = []
    for what, title in (
        (What.DELIVERY, "Webhook received → worked on"),
        (What.EFFECT, "Change there → done here (lag)"),
    ):
        times = histograms.add(cell.times for cell in cells if cell.what == what)
        within = histograms.share_below(times, LAG_OBJECTIVE_S)
        quantiles = [histograms.find_quantile(times, share) for share in (0.5, 0.95)]
        rows.append([title, *map(show_seconds, quantiles), "-" if within is None else f"{within:.1%}"])
    yield Part("Of the last 24 hours", ["What", "p50", "p95", f"Within {LAG_OBJECTIVE_S:.0f} s"], rows)
    deliveries, effects = look_at_deliveries(now), look_at_effects()
    yield Part(
        "What waits now",
        headers=["What", "How many"],
        rows=[
            ["Deliveries that are not worked on yet", count(deliveries.open_count)],
            ["Those of them that wait for their first try since more than five minutes", count(deliveries.late)],
            ["Effects that are not done yet", count(effects.open_count)],
            ["Effects that wait for a person's word", count(effects.unknown)],
        ],
        links=[
            (f"Open {model._meta.verbose_name_plural}", list_of(model, status__in=",".join(OPEN[model])))
            for model in MODELS.values()
        ],
    )


def show_seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:,.1f} s"


# --- Monthly ----------------------------------------------------------------------------------------------------------


@runbook_task(
    "secrets",
    Rhythm.MONTHLY,
    "Rotate secrets",
    what="Rotate the webhook secrets, and the encryption key once a year (manage.py rotate_encryption_key).",
)
def report_secrets(now: datetime) -> Iterator[Part]:
    active = Q(webhook_secrets__retired_at=None, webhook_secrets__isnull=False)
    made = Connection.objects.exclude(status=DISABLED).defer("credentials").order_by("slug")
    found = made.annotate(
        newest=Max("webhook_secrets__created_at", filter=active), secret_count=Count("webhook_secrets", filter=active)
    )
    yield Part(
        "Webhook secrets",
        headers=["Connection", "Active", "The newest was made", "Days ago"],
        rows=[
            [each.slug, count(each.secret_count), show_day(each.newest), count((now - each.newest).days)]
            for each in found
            if each.newest
        ],
        links=[("Connections", list_of(Connection))],
        empty="No connection has a webhook secret.",
    )
    keys = ", ".join(settings.FIELD_ENCRYPTION_KEYS)
    yield Part("Encryption keys", ["In use, the first one encrypts"], [[keys]])


@runbook_task(
    "access",
    Rhythm.MONTHLY,
    "Audit tokens and access",
    what="Take away what nobody needs: users who left, tokens that nobody uses, roles that are too large.",
)
def report_access(now: datetime) -> Iterator[Part]:
    active, idle = User.objects.filter(is_active=True), Q(last_login=None) | Q(last_login__lt=now - UNUSED)
    yield Part(
        "Users",
        headers=["Who", "Active", f"Not signed in for {UNUSED.days} days"],
        rows=[
            [title, count(users.count()), count(users.filter(idle).count())]
            for title, users in [
                ("Superusers", active.filter(is_superuser=True)),
                *((name, active.filter(groups__name=name)) for name in NAMES),
                ("Others who may enter the admin", active.filter(is_staff=True, is_superuser=False, groups=None)),
            ]
        ],
        links=[("Users", list_of(User, is_active__exact=1)), ("Superusers", list_of(User, is_superuser__exact=1))],
    )
    tokens = ApiToken.objects.aggregate(
        all=Count("pk"), oldest=Min("created"), left=Count("pk", filter=Q(user__is_active=False))
    )
    yield Part(
        "API tokens",
        headers=["All", "The oldest was made", "Of users who may not sign in"],
        rows=[[count(tokens["all"]), show_day(tokens["oldest"], "-"), count(tokens["left"])]],
        links=[("API tokens", list_of(TokenProxy))],
    )
    grants = Token.objects.exclude(connection__status=DISABLED).defer("access_token", "refresh_token", "account_name")
    yield Part(
        "Tokens of connections",
        headers=["Connection", "Obtained", "Runs out", "Refreshes failed in a row"],
        rows=[
            [token.connection.slug, show_day(token.obtained_at), show_day(token.expires_at, "-"), count(token.failures)]
            for token in grants.select_related("connection")
            .defer("connection__credentials")
            .order_by("connection__slug")
        ],
        empty="No connection was authorised in the browser.",
    )


@runbook_task(
    "residency",
    Rhythm.MONTHLY,
    "Residency review",
    what="See whether each account is where its people's data may be, and whether new ones were connected.",
)
def report_residency(now: datetime) -> Iterator[Part]:
    """Who is where in figures is on the policy's own page."""
    yield Part("The policy", note=check_policy()[1], links=[("Residency", list_of(RegionRule))], empty="")
    yield Part(
        f"Accounts that data go to, from the region {settings.REGION}",
        headers=["Connection", "Provider", "Address", "Region", "Region of phone numbers", "Connected"],
        rows=[
            [
                each.slug,
                name_provider(each.provider),
                each.base_url or getattr(PROVIDERS.get(each.provider), "origin", "-"),
                each.region or "open to all",
                each.default_region or "-",
                show_day(each.created_at),
            ]
            for each in list_used()
        ],
        links=[("Connections", list_of(Connection))],
        empty="No connection is in use.",
    )


# --- Quarterly --------------------------------------------------------------------------------------------------------


@runbook_task(
    "unused_connections",
    Rhythm.QUARTERLY,
    "Unused connections",
    what="Disable, or forget, what nothing came from and nothing went to.",
)
def report_unused_connections(now: datetime) -> Iterator[Part]:
    since = now - UNUSED
    used = HourlyCount.objects.filter(hour__gte=since).order_by().values_list("connection")
    sums = {key: (last, total) for key, last, total in used.annotate(last=Max("hour"), total=Sum("count"))}
    paired = set(Pair.objects.values_list("calendar", flat=True)) | set(Pair.objects.values_list("crm", flat=True))
    counted = CountedHour.objects.aggregate(first=Min("hour"))["first"]
    yield Part(
        f"Connections without a delivery or an effect for {UNUSED.days} days",
        headers=["Connection", "Provider", "State", "Paired", "Connected"],
        rows=[
            [
                each.slug,
                name_provider(each.provider),
                each.get_status_display(),
                "yes" if each.pk in paired else "no",
                show_day(each.created_at),
            ]
            for each in list_used()
            if each.pk not in sums
        ],
        links=[("Connections", list_of(Connection))],
        note=f"By hourly counts, which begin on {show_day(counted)}."
        if not counted or counted > since
        else "By hourly counts.",
        empty="Each was used.",
    )
