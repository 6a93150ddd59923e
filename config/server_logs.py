"""gunicorn's own lines as JSON, like those of the code: what it says of itself, and a line for each answer."""

from datetime import timedelta
from typing import Any

from gunicorn.config import Config
from gunicorn.glogging import Logger

from integrations.correlation import HEADER, WELL_FORMED
from integrations.privacy.logs import RedactedJsonFormatter

# The access log's format that stands for a JSON line; any other is gunicorn's affair.
JSON = "json"


class JsonLogger(Logger):
    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        logs = [self.error_log, self.access_log] if cfg.access_log_format == JSON else [self.error_log]
        for handler in [handler for log in logs for handler in log.handlers]:
            handler.setFormatter(RedactedJsonFormatter())

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        """The path without its query, which may hold an e-mail address."""
        if self.cfg.access_log_format != JSON:
            super().access(resp, req, environ, request_time)
        elif self.access_log_enabled:
            ids = [text for name, text in resp.headers if name == HEADER and WELL_FORMED.fullmatch(text)]
            about = {
                "method": environ.get("REQUEST_METHOD"),
                "path": environ.get("PATH_INFO"),
                "status_code": resp.status_code,
                "duration_ms": round(request_time.total_seconds() * 1000),
                "correlation_ids": ids,
            }
            self.access_log.info("request answered", extra=about)
