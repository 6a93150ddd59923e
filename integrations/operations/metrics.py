"""What is measured, in Prometheus' words."""

from prometheus_client import Histogram

REQUEST_SECONDS = Histogram(
    "keepsync_outgoing_request_seconds",
    "Time of outgoing requests. Status 0: no answer.",
    ["provider", "method", "status"],
)
