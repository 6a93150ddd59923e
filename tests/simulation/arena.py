"""Where the simulation takes place: an installation, and a sandbox with twenty more calendars, each with three pages.

Bookings go to two CRMs. Some of the calendars have buffers, which calendar.live knows nothing of. Webhooks have web
processes of their own, as where many programs are busy at the API.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any, Self

from integrations.sandbox.calendar_live.teams import make_calendars
from tests.ports import free_port
from tests.processes.exchanges import Answer, exchange
from tests.processes.town import PREPARE, Town

TEAMS = make_calendars(20)
CRMS = ("hubspot", "pipedrive")
# Minutes before and after what takes place on every fourth calendar.
BUFFERS = (5, 10)
SETTINGS = "tests.simulation.settings"
WEBHOOKS = re.compile(r":\d+/webhooks/")

# No reconciliation begins by itself, and repairs what the last one is to find.
LEAVE_TWO = f"""
from datetime import timedelta
from django.utils import timezone
from django_q.models import Schedule
from integrations.models import Pair
Pair.objects.exclude(crm__slug__in={CRMS!r}).delete()
Schedule.objects.filter(name="reconcile_connections").update(next_run=timezone.now() + timedelta(days=1))
"""
# A user with a token for each CRM's program, and the calendars with their buffers.
OPEN = """
import json
import re
from django.contrib.auth.models import Permission, User
from rest_framework.authtoken.models import Token
from bookings.calendars import find_calendars
tokens = {}
may_book = Permission.objects.filter(content_type__model="meeting", content_type__app_label="bookings")
for name in %(programs)r:
    user = User.objects.create_user(name)
    user.user_permissions.set(may_book)
    tokens[name] = Token.objects.create(user=user).key
for number, key in enumerate(%(calendars)r):
    [calendar] = find_calendars(key)
    if number %% 4 == 0:
        calendar.buffer_before_min, calendar.buffer_after_min = %(buffers)r
        calendar.save()
print(json.dumps(tokens))
"""


@dataclass
class Arena(Town):
    """`tokens` are the programs' own, by their CRM."""

    settings: str = SETTINGS
    script: str = PREPARE + LEAVE_TWO
    intake_port: int = field(default_factory=free_port)

    def start(self) -> Self:
        super().start()
        self.start_intake()
        script = OPEN % {"programs": CRMS, "calendars": list(TEAMS), "buffers": BUFFERS}
        self.tokens: dict[str, str] = json.loads(self.installation.manage("shell", "-v", "0", "-c", script))
        return self

    def prepare(self) -> dict[str, str]:
        own = f":{self.intake_port}/webhooks/"
        variables = {name: WEBHOOKS.sub(own, value) for name, value in super().prepare().items()}
        return {**variables, "SANDBOX_TEAMS": str(len(TEAMS))}

    def start_intake(self) -> None:
        self.installation.start_web(port=self.intake_port, INTAKE_ONLY="1")

    def call(self, program: str, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Keepsync's REST API, as a CRM's program calls it. Raises OSError or HTTPException where nobody answers."""
        given = {"Authorization": f"Token {self.tokens[program]}", "Content-Type": "application/json"}
        sent = None if body is None else json.dumps(body).encode()
        return exchange(self.installation.port, method, f"/api/{path}", body=sent, headers={**given, **headers})
