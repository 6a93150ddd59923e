"""What the processes count, in Prometheus' words. What the database knows by itself is in facts.py.

Every label has few values: of what comes from outside, only what is known by name is told, and all else is `other`.
None is called `job` or `instance`, which are Prometheus' own.
"""

from collections.abc import Collection
from http import HTTPStatus

from prometheus_client import Counter, Histogram, disable_created_metrics

from integrations.operations.histograms import EDGES

# No second series beside each that says since when it is counted.
disable_created_metrics()

OTHER = "other"
STATUSES = {0, *HTTPStatus}
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"}
# Seconds until a webhook is answered, and of one try at a delivery or one job.
ANSWER_EDGES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
WORK_EDGES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60)

# --- What comes in ----------------------------------------------------------------------------------------------------

DELIVERIES = Counter(
    "keepsync_deliveries_total",
    "Webhooks that were answered. Outcome: accepted, duplicate, handshake, or the code of the error.",
    ["provider", "outcome"],
)
ANSWER_SECONDS = Histogram(
    "keepsync_delivery_answer_seconds",
    "Time until a webhook was answered, whatever the answer.",
    ["provider"],
    buckets=ANSWER_EDGES,
)
PROCESSING_SECONDS = Histogram(
    "keepsync_delivery_processing_seconds",
    "Time of one try at a delivery, whatever came of it.",
    ["provider"],
    buckets=WORK_EDGES,
)

# --- What goes out ----------------------------------------------------------------------------------------------------

EFFECTS = Counter(
    "keepsync_effects_total",
    "What became of effects. Outcome: planned, repeated (nothing new was planned), succeeded, suppressed, dead.",
    ["provider", "kind", "outcome"],
)
SYNC_LAG_SECONDS = Histogram(
    "keepsync_sync_lag_seconds",
    "Time from the receipt of a delivery until the state that it changed was first there.",
    ["provider"],
    buckets=EDGES,
)
REQUEST_SECONDS = Histogram(
    "keepsync_outgoing_request_seconds",
    "Time of outgoing requests. Status 0: no answer.",
    ["provider", "method", "status"],
)
REQUEST_ERRORS = Counter(
    "keepsync_provider_errors_total",
    "Outgoing requests that failed, by cause: transient, rate_limited, reauthorise, configuration, permanent, …",
    ["provider", "cause"],
)
TOKEN_REFRESHES = Counter(
    "keepsync_token_refreshes_total",
    "Refreshes of tokens. Outcome: refreshed, adopted from another process, refused, outage, lost.",
    ["provider", "outcome"],
)
REFUSED_CALLS = Counter(
    "keepsync_refused_credentials_total",
    "Calls that a provider refused because of their credentials (401).",
    ["provider"],
)

# --- Both, and the jobs -----------------------------------------------------------------------------------------------

ATTEMPTS = Counter(
    "keepsync_attempts_total",
    "Tries at deliveries and effects, by the status that each led to, and the cause of a failure.",
    ["queue", "provider", "outcome", "cause"],
)
JOBS = Counter("keepsync_jobs_total", "Background jobs that have ended. Outcome: done, failed.", ["task", "outcome"])
JOB_SECONDS = Histogram("keepsync_job_seconds", "Time of background jobs.", ["task"], buckets=WORK_EDGES)


def keep_known[Value](value: Value, known: Collection[Value]) -> str:
    """A label's value: as text where it is one of those, else `other`."""
    return str(value) if value in known else OTHER


def observe_request(provider: str, method: str, status: int, seconds: float) -> None:
    labels = {"method": keep_known(method, METHODS), "status": keep_known(status, STATUSES)}
    REQUEST_SECONDS.labels(provider=provider, **labels).observe(seconds)
