"""gunicorn's settings: `gunicorn -c config/gunicorn.py config.wsgi`."""

import os
import sys
from pathlib import Path
from typing import Any

# The `gunicorn` command looks for modules beside itself only.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from integrations.operations.shared_counts import fold_dead

bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"
workers = int(os.environ.get("WEB_WORKERS", "2"))
threads = int(os.environ.get("WEB_THREADS", "8"))
worker_class = "gthread"
# Loaded once, before the fork: memory is shared, and a bad setting stops the start with one line.
preload_app = True
timeout = 30
control_socket_disable = True
graceful_timeout = 20
keepalive = 15
# The kernel spreads connections over the workers; else the one that is quicker to accept takes most of them.
reuse_port = True
logger_class = "config.server_logs.JsonLogger"
access_log_format = "json"
accesslog = "-" if os.environ.get("ACCESS_LOG") == "1" else None


def child_exit(server: Any, worker: Any) -> None:
    """What the process has counted stays."""
    fold_dead()
