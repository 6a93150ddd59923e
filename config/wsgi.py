"""The WSGI application, served by gunicorn with config/gunicorn.py."""

import os
import sys

from django.core.wsgi import get_wsgi_application

from config import database
from config.chunked import accept_chunked
from config.env import ConfigurationError

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
try:
    database.ensure_running()
    application = accept_chunked(get_wsgi_application())
except ConfigurationError as error:
    sys.exit(f"keepsync: {error}")
