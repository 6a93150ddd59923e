"""One installation for the whole folder, one more that is connected to the outside, and the logs of their processes
where a test fails."""

import os
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection as database

from tests.processes import authorisation_server
from tests.processes.authorisation_server import AuthorisationServer
from tests.processes.installation import Installation, fresh_database, running
from tests.processes.ledger import wait_until_quiet
from tests.processes.nursery import Nursery
from tests.processes.outside import Outside, connect
from tests.processes.server import Server
from tests.template_database import copy_template, database_url


@pytest.fixture(scope="session")
def shared_installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Web and worker on a new database of the test run's server."""
    with (
        fresh_database(os.environ["DATABASE_URL"]) as url,
        running(url, tmp_path_factory.mktemp("installation")) as installation,
    ):
        yield installation


@pytest.fixture
def installation(shared_installation: Installation) -> Installation:
    """The shared installation, whole again after what the last test killed. Each test brings its own people."""
    shared_installation.repair()
    return shared_installation


@pytest.fixture(scope="session")
def shared_outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    outside = Outside(tmp_path_factory.mktemp("outside"))
    try:
        yield outside.start()
    finally:
        outside.stop()


@pytest.fixture
def outside(shared_outside: Outside) -> Outside:
    """All that the sandbox plays, without faults. What earlier tests left there stays: each brings its own people."""
    shared_outside.calm()
    return shared_outside


@pytest.fixture(scope="session")
def shared_connected(shared_outside: Outside, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Web and worker that are connected to the outside, on a database of their own."""
    with fresh_database(os.environ["DATABASE_URL"]) as url:
        variables = {"EMAIL_URL": f"smtp://127.0.0.1:{shared_outside.smtp.port}"}
        installation = Installation(url, tmp_path_factory.mktemp("connected"), variables=variables)
        try:
            connect(installation, shared_outside)
            installation.start_web(port=shared_outside.web_port)
            installation.start_worker()
            yield installation
        finally:
            installation.stop()


@pytest.fixture
def connected(shared_connected: Installation, outside: Outside) -> Installation:
    """The connected installation, whole again, with nothing left to do."""
    shared_connected.repair()
    wait_until_quiet(shared_connected)
    return shared_connected


@pytest.fixture
def server() -> Iterator[Server]:
    """A database server of the test's own with all tables, to be stopped and started."""
    with tempfile.TemporaryDirectory(prefix="keepsync-", ignore_cleanup_errors=True) as folder:
        server = Server(Path(folder) / "postgres")
        copy_template(os.environ["DATABASE_URL"], server.url)
        try:
            yield server
        finally:
            server.start()
            server.stop("immediate")


@pytest.fixture
def authority() -> Iterator[AuthorisationServer]:
    """Its grant is new."""
    with authorisation_server.serving() as served:
        yield served


@pytest.fixture(scope="session")
def shared_nursery(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """On the test run's own database."""
    url = database_url(os.environ["DATABASE_URL"], str(database.settings_dict["NAME"]))
    nursery = Nursery(url, tmp_path_factory.mktemp("nursery") / "nursery.log")
    try:
        yield nursery
    finally:
        nursery.stop()


@pytest.fixture
def nursery(shared_nursery: Nursery, transactional_db: None) -> Nursery:
    """Running, and whom the last test has gathered is gone."""
    shared_nursery.repair()
    shared_nursery.order("disperse")
    return shared_nursery


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, Any, Any]:
    report = yield
    if report.failed:
        found = [each for each in item.funcargs.values() if isinstance(each, Installation)]
        logs = {group.log: group.read_log() for installation in found for group in installation.groups}
        logs |= {each.group.log: each.group.read_log() for each in item.funcargs.values() if isinstance(each, Outside)}
        logs |= {each.log: each.read_log() for each in item.funcargs.values() if isinstance(each, Nursery)}
        report.sections += [(f"log of {path.stem}", log) for path, log in logs.items()]
    return report
