"""What is logged and counted of jobs and answers: JSON, with the id, without anybody's data."""

import ast
import importlib
import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings as django_settings
from django_q.signals import post_execute_in_worker, pre_execute
from gunicorn.config import Config
from prometheus_client import REGISTRY

from config import server_logs
from integrations.correlation import carrying
from integrations.job_runs import describe_failure
from integrations.jobs import process_delivery
from integrations.privacy.logs import ALLOWED_EXTRAS, ResultFilter
from tests.leaks import find_in, reading_log

ID = str(uuid4())
RESULT = """Zoë Okafor <zoe@example.com> : Traceback (most recent call last):
  File "/srv/keepsync/integrations/jobs.py", line 40, in process_delivery
    delay_s = deliveries.process(UUID(delivery_id))
              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/keepsync/integrations/deliveries.py", line 50, in process
    raise BrokenError(name)
integrations.exceptions.BrokenError: Zoë Okafor
Second line: zoe@example.com
"""


@pytest.fixture
def _own_context() -> Iterator[None]:
    """What the signals set is over with the test."""
    with carrying(ID):
        yield


def run_job(*, success: bool, result: Any = None) -> dict[str, Any]:
    """The task as django-q2 stores it."""
    task = {"success": success, "result": result, "correlation_id": ID}
    pre_execute.send(sender="django_q", func=process_delivery, task=task)
    post_execute_in_worker.send(sender="django_q", func=process_delivery, task=task)
    return task


def count_jobs(outcome: str) -> float:
    labels = {"task": "integrations.jobs.process_delivery", "outcome": outcome}
    return REGISTRY.get_sample_value("keepsync_jobs_total", labels) or 0


@pytest.mark.usefixtures("_own_context")
def test_what_is_stored_of_a_failed_job_is_its_type_and_place() -> None:
    stored = run_job(success=False, result=RESULT)["result"]
    assert stored.startswith("integrations.exceptions.BrokenError\n/srv/keepsync/integrations/jobs.py:40")
    assert not find_in(stored.encode(), ["Zoë", "zoe@example.com"])


@pytest.mark.usefixtures("_own_context")
def test_a_failed_job_is_told_with_type_and_place_and_without_its_message() -> None:
    before = count_jobs("failed")
    with reading_log() as stream:
        run_job(success=False, result=RESULT)
    line = json.loads(stream.getvalue())
    assert (line["message"], line["job"]) == ("job failed", "integrations.jobs.process_delivery")
    assert line["correlation_id"] == ID
    assert line["exception"]["type"] == "integrations.exceptions.BrokenError"
    assert line["exception"]["frames"][-1] == "/srv/keepsync/integrations/deliveries.py:50 process"
    assert "Okafor" not in stream.getvalue()
    assert "example.com" not in stream.getvalue()
    assert count_jobs("failed") == before + 1


@pytest.mark.usefixtures("_own_context")
def test_a_job_that_is_done_is_counted_and_not_logged() -> None:
    before = count_jobs("done")
    with reading_log() as stream:
        run_job(success=True)
    assert stream.getvalue() == ""
    assert count_jobs("done") == before + 1


@pytest.mark.parametrize("text", ["", "no traceback", "Traceback (most recent call last):\nValueError: x"])
def test_a_result_that_is_no_traceback_is_borne(text: str) -> None:
    assert describe_failure(text)["frames"] == []


def test_django_qs_own_line_about_a_failure_is_left_out() -> None:
    """It quotes the exception's message."""
    monitor = logging.LogRecord("django-q", logging.ERROR, "/x/monitor.py", 1, "Failed 'x' - Okafor", None, None)
    other = logging.LogRecord("django-q", logging.ERROR, "/x/cluster.py", 1, "reincarnated worker", None, None)
    assert [ResultFilter().filter(record) for record in (monitor, other)] == [False, True]
    loggers: Any = django_settings.LOGGING["loggers"]
    assert loggers["django-q"]["filters"] == ["no_results"]


# --- The server -------------------------------------------------------------------------------------------------------


def answer_one(path: Path, **settings: Any) -> str:
    config = Config()
    config.set("accesslog", str(path))
    config.set("access_log_format", settings.get("access_log_format", "json"))
    server_log = server_logs.JsonLogger(config)
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/api/zoe@example.com/", "QUERY_STRING": "email=zoe@example.com"}
    response = SimpleNamespace(status="200 OK", status_code=200, headers=[("X-Request-ID", ID)], sent=2)
    whole = {**environ, "RAW_URI": "/", "SERVER_PROTOCOL": "HTTP/1.1"}
    server_log.access(response, SimpleNamespace(headers=[]), whole, timedelta(milliseconds=12))
    for log in (server_log.error_log, server_log.access_log):
        for handler in list(log.handlers):
            handler.close()
            log.removeHandler(handler)
    return path.read_text()


def test_the_access_log_is_json_with_the_id_and_without_the_query(tmp_path: Path) -> None:
    line = json.loads(answer_one(tmp_path / "access.log"))
    assert (line["method"], line["status_code"], line["duration_ms"]) == ("GET", 200, 12)
    assert line["correlation_id"] == ID
    assert "zoe" not in json.dumps(line)


def test_another_format_of_the_access_log_is_gunicorns_own(tmp_path: Path) -> None:
    assert answer_one(tmp_path / "access.log", access_log_format="%(m)s %(s)s") == "GET 200\n"


def test_gunicorn_is_set_up_so() -> None:
    gunicorn = importlib.import_module("config.gunicorn")
    assert (gunicorn.logger_class, gunicorn.access_log_format) == ("config.server_logs.JsonLogger", server_logs.JSON)
    gunicorn.child_exit(None, None)


# --- The code ---------------------------------------------------------------------------------------------------------


def test_every_extra_that_the_code_gives_is_on_the_allow_list() -> None:
    """What is not would silently be missing from the line."""
    written: dict[str, str] = {}
    for package in ("config", "integrations", "contacts", "bookings"):
        for path in (django_settings.BASE_DIR / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.keyword) and node.arg == "extra" and isinstance(node.value, ast.Dict):
                    names = [key.value for key in node.value.keys if isinstance(key, ast.Constant)]
                    written |= {str(name): path.name for name in names}
    # Read by the formatter in their own way.
    assert set(written) - {*ALLOWED_EXTRAS, "failure", "correlation_ids"} == set()
    assert len(written) > 15
