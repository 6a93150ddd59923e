"""Log lines: JSON, with what is on the allow-list, and nobody's data."""

import json
import logging
import sys
from uuid import uuid4

import pytest

from integrations.privacy.logs import RedactedJsonFormatter, scrub

SECRETS = [
    "zoe.okafor@example.com",
    "+33612345678",
    "06 12 34 56 78",
    "(11) 91234-5678",
    "whsec_test_4d2f",
    "sk_live_abc123",
    "xoxb-123-abc",
    "xoxb-abc",
    "Bearer eyJhbGciOi",
    "Token 9944b09199c62bcf",
]


def write(message="happened", *args, extra=None, exc_info=None, level=logging.INFO):
    """The line that the formatter makes, as an object."""
    logger = logging.getLogger("keepsync.test")
    record = logger.makeRecord("keepsync.test", level, __file__, 1, message, args, exc_info, extra=extra)
    line = RedactedJsonFormatter().format(record)
    assert "\n" not in line
    return json.loads(line)


def test_line_has_time_level_logger_and_message():
    line = write("%s of %d", "two", 3)
    assert line.keys() == {"time", "level", "logger", "message"}
    assert (line["level"], line["logger"], line["message"]) == ("INFO", "keepsync.test", "two of 3")
    assert line["time"].endswith("+00:00")


@pytest.mark.parametrize("secret", SECRETS)
def test_private_things_in_a_message_are_taken_out(secret):
    line = write("before <%s> after", secret)
    assert secret not in line["message"]
    assert "[redacted]" in line["message"]
    assert line["message"].endswith("after")


@pytest.mark.parametrize("secret", SECRETS)
def test_private_things_in_an_allowed_extra_are_taken_out(secret):
    assert secret not in json.dumps(write(extra={"path": f"/x/{secret}/", "exception": secret}))


def test_query_of_an_address_is_taken_out():
    line = write('"GET /api/contacts/?email=zoe%40example.com&q=Okafor HTTP/1.1" 200')
    assert line["message"] == '"GET /api/contacts/[redacted] HTTP/1.1" 200'


def test_only_allowed_extras_are_written():
    line = write(extra={"connection": "calendar-live", "status_code": 200, "email": "x", "request": object()})
    assert line["connection"] == "calendar-live"
    assert line["status_code"] == 200
    assert line.keys() == {"time", "level", "logger", "message", "connection", "status_code"}


def test_ids_of_our_own_rows_stay():
    key = str(uuid4())
    digits = "01234567-8901-7234-8567-890123456789"
    line = write(f"see {digits}", extra={"delivery_id": key, "attempt": 12345678901})
    assert (line["delivery_id"], line["attempt"]) == (key, 12345678901)
    assert line["message"] == f"see {digits}"


def test_exceptions_are_written_without_their_messages():
    try:
        try:
            raise KeyError("zoe@example.com")
        except KeyError as error:
            raise ValueError("Okafor") from error
    except ValueError:
        line = write(exc_info=sys.exc_info(), level=logging.ERROR)
    assert line["exception"]["type"] == "ValueError"
    assert line["exception"]["cause"]["type"] == "KeyError"
    assert "test_logs.py" in line["exception"]["frames"][0]
    assert "zoe" not in json.dumps(line)
    assert "Okafor" not in json.dumps(line)


def test_exc_info_without_an_exception_is_nothing():
    assert "exception" not in write(exc_info=(None, None, None))


def test_odd_extras_never_break_a_line():
    assert write(extra={"path": b"\xff", "count": {"a": {1}}, "status": None})["status"] is None


def test_plain_words_are_left_alone():
    assert scrub("delivery failed after 3 tries in 12 s") == "delivery failed after 3 tries in 12 s"
