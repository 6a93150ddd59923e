"""What is measured, in Prometheus' words."""

from prometheus_client import Counter, Histogram

REQUEST_SECONDS = Histogram(
    "keepsync_outgoing_request_seconds",
    "Time of outgoing requests. Status 0: no answer.",
    ["provider", "method", "status"],
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
