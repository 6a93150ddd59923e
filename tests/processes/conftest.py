"""One installation for the whole folder, and the logs of its processes where a test fails."""

import os
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from tests.processes.installation import Installation, fresh_database, prepare


@pytest.fixture(scope="session")
def shared_installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Web and worker on a new database of the test run's server."""
    with fresh_database(os.environ["DATABASE_URL"]) as url:
        installation = Installation(url, tmp_path_factory.mktemp("installation"))
        try:
            yield prepare(installation).start()
        finally:
            installation.stop()


@pytest.fixture
def installation(shared_installation: Installation) -> Installation:
    """The shared installation, whole again after what the last test killed. Each test brings its own people."""
    shared_installation.repair()
    return shared_installation


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, Any, Any]:
    report = yield
    if report.failed:
        found = [each for each in item.funcargs.values() if isinstance(each, Installation)]
        logs = {group.log: group.read_log() for installation in found for group in installation.groups}
        report.sections += [(f"log of {path.stem}", log) for path, log in logs.items()]
    return report
