"""What the ledger of effects says, and the operators' words about them."""

from dataclasses import dataclass

from tests.processes.installation import Installation
from tests.processes.waiting import wait_for

OPEN = ("pending", "running", "retrying", "waiting")
SELECT = """
SELECT effect.id::text, kind, effect.status, effect.cause, effect.attempts, effect.free_attempts, effect.external_id,
       ARRAY(SELECT outcome::text FROM integrations_attempt
             WHERE effect_id = effect.id AND NOT (outcome = 'failed' AND calls = '[]') ORDER BY number)
FROM integrations_effect AS effect
JOIN integrations_delivery AS delivery ON delivery.id = effect.delivery_id
WHERE delivery.delivery_id = ANY(%s) AND (kind = %s OR %s = '')
ORDER BY effect.id
"""
CONFIRM = """
from integrations.effect_actions import confirm_arrival
from integrations.models import Effect
confirm_arrival(Effect.objects.get(pk="{effect_id}"))
"""
SEND_AGAIN = """
from integrations.jobs import send_effect_again
from integrations.models import Effect
send_effect_again(Effect.objects.get(pk="{effect_id}"))
"""
# What the schedule does each minute, and what every wake-up leads to.
SWEEP = """
from integrations.jobs import drain_connection, sweep
from integrations.models import Connection
for _ in range({times}):
    sweep()
    drain_connection(Connection.objects.get(slug="{slug}").pk)
"""


@dataclass(frozen=True)
class Entry:
    """One effect; `tries` are the outcomes of its attempts, the first one first.

    Those that failed without a call are left out: on a busy machine a try's time may be over before.
    """

    id: str
    kind: str
    status: str
    cause: str
    attempts: int
    free_attempts: int
    external_id: str
    tries: list[str]


def read_entries(installation: Installation, *deliveries: str, kind: str = "") -> list[Entry]:
    """The effects that these deliveries led to, oldest first."""
    return [Entry(*row) for row in installation.fetch(SELECT, list(deliveries), kind, kind)]


def read_entry(installation: Installation, delivery_id: str, kind: str) -> Entry:
    """The only one of its kind."""
    [entry] = read_entries(installation, delivery_id, kind=kind)
    return entry


def is_unknown(entry: Entry) -> bool:
    return (entry.status, entry.cause) == ("waiting", "unknown_outcome")


def wait_until_all_over(installation: Installation, *deliveries: str) -> list[Entry]:
    """Until these deliveries are worked on, and nothing that they led to is left to do but by a person."""
    installation.wait_until_settled(*deliveries)

    def find_open() -> list[Entry]:
        entries = read_entries(installation, *deliveries)
        return [entry for entry in entries if entry.status in OPEN and not is_unknown(entry)]

    what = f"the effects of {len(deliveries)} deliveries are over"
    wait_for(lambda: not find_open(), what=what, find_lacking=find_open)
    return read_entries(installation, *deliveries)


def wait_until_quiet(installation: Installation) -> None:
    """Until no connection has anything left to do."""
    query = "SELECT count(*) FROM integrations_effect WHERE status = ANY(%s) AND cause <> 'unknown_outcome'"
    wait_for(lambda: not installation.fetch(query, list(OPEN))[0][0], what="all effects are over")


def run_script(installation: Installation, script: str) -> None:
    installation.manage("shell", "-v", "0", "-c", script)
