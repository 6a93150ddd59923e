"""The sandbox as a WSGI application: `gunicorn integrations.sandbox.wsgi --workers 1 --threads 8`.

One worker only: the world lives in the memory of one process.
"""

import os

from django.core.wsgi import get_wsgi_application

from integrations.sandbox import settings
from integrations.sandbox.calendar_live.runtime import get_sender
from integrations.sandbox.mail.listener import start_listener
from integrations.sandbox.runtime import start_senders

# Set, not defaulted: the product's own settings module is often in the environment already.
os.environ["DJANGO_SETTINGS_MODULE"] = "integrations.sandbox.settings"

application = get_wsgi_application()
get_sender().start()
start_senders()
start_listener(settings.SMTP_PORT)
