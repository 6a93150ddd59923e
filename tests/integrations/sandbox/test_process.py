"""The process as a whole: home page, restart, endpoint, and the page behind the scenes."""

import re
from pathlib import Path

import pytest

from tests.integrations.sandbox.conftest import SECRET
from tests.integrations.sandbox.support import (
    Receiver,
    Sandbox,
    create,
    running_sandbox,
    wait_until,
)

pytestmark = pytest.mark.slow


def test_the_home_page_leads_to_the_provider(sandbox: Sandbox) -> None:
    page = sandbox.get("/")
    assert "calendar.live" in page.text
    for path in re.findall(r'href="(/[^"]+)"', page.text):
        assert sandbox.get(path).status_code == 200


def test_what_is_behind_the_scenes_survives_a_restart(tmp_path: Path, receiver: Receiver) -> None:
    variables = {
        "SANDBOX_WEBHOOK_URL": receiver.url,
        "SANDBOX_WEBHOOK_SECRET": SECRET,
        "SANDBOX_STATE": str(tmp_path / "state.json"),
        "SANDBOX_RETRY_FACTOR": "0.2",
    }
    receiver.statuses = [503]
    with running_sandbox(tmp_path, **variables) as sandbox:
        sandbox.post("/calendar-live/knobs/", latency_ms="0", drop_next="1")
        lost = create(sandbox, "lost")
        failing = create(sandbox, "failing")
        wait_until(lambda: receiver.requests, what="the first try")
        page = sandbox.get("/calendar-live/").text
        assert "dropped: logged as delivered, never sent" in page
        wait_until(lambda: ": 503, " in sandbox.get("/calendar-live/").text, what="the failed try is shown")

    receiver.statuses, tried = [200], len(receiver.requests)
    with running_sandbox(tmp_path, **variables) as sandbox:
        wait_until(lambda: len(receiver.requests) > tried, what="a retry")
        assert receiver.envelopes()[-1]["data"]["event"]["id"] == failing["id"]
        assert sandbox.api("GET", f"events/{lost['id']}").json() == lost
        log = sandbox.api("GET", "webhook_deliveries").json()["items"]
        lost_id = next(item["id"] for item in log if item["event_id"] == lost["id"])
        sandbox.post(f"/calendar-live/deliveries/{lost_id}/redeliver/")
        wait_until(lambda: lost_id in receiver.ids(), what="the lost delivery")
        sandbox.post("/calendar-live/ping/")
        wait_until(lambda: receiver.envelopes()[-1]["type"] == "ping", what="the ping")
        refused = sandbox.post("/calendar-live/knobs/", latency_ms="-1", drop_next="x")
        assert refused.status_code == 422


def test_an_endpoint_that_is_gone_is_disabled_until_it_is_enabled(tmp_path: Path, receiver: Receiver) -> None:
    receiver.statuses = [410, 200]
    variables = {"SANDBOX_WEBHOOK_URL": receiver.url, "SANDBOX_WEBHOOK_SECRET": SECRET, "SANDBOX_STATE": ""}
    with running_sandbox(tmp_path, **variables) as sandbox:
        create(sandbox, "gone")
        wait_until(lambda: "is disabled" in sandbox.get("/calendar-live/").text, what="the endpoint is disabled")
        assert "is disabled" not in sandbox.post("/calendar-live/enable-endpoint/").text
        create(sandbox, "back")
        wait_until(lambda: len(receiver.requests) == 2, what="the next delivery")
