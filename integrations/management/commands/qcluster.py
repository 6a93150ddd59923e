import signal
from typing import Any

from django_q.management.commands import qcluster

from integrations.operations.heartbeats import note_start


class Command(qcluster.Command):
    """django-q2's worker, made to stop gracefully where a signal goes to the whole process group (systemd, honcho).

    Its guard process would die of the SIGTERM, and the main process then wait for it for ever. Processes that are
    forked while the signal is blocked never see it: the main one alone does, and tells the others to finish their jobs.
    """

    def handle(self, *args: Any, **options: Any) -> None:
        note_start()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            super().handle(*args, **options)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
