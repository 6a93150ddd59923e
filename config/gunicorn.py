"""gunicorn's settings: `gunicorn -c config/gunicorn.py config.wsgi`."""

import os

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
# The path without its query, which may hold an e-mail address.
access_log_format = "%(m)s %(U)s %(s)s %(B)s bytes %(M)s ms"
accesslog = "-" if os.environ.get("ACCESS_LOG") == "1" else None
