import os
import subprocess
import sys

import pytest

from tests.integrations.sandbox.support import ROOT


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"SANDBOX_WEBHOOK_URL": "http://127.0.0.1:1/", "SANDBOX_WEBHOOK_SECRET": ""}, "SANDBOX_WEBHOOK_SECRET"),
        ({"SANDBOX_ZOOM_WEBHOOK_URL": "http://127.0.0.1:1/"}, "SANDBOX_ZOOM_WEBHOOK_SECRET must be set"),
        ({"SANDBOX_RETRY_FACTOR": "soon"}, "SANDBOX_RETRY_FACTOR must be a number above 0, not 'soon'"),
        ({"SANDBOX_RETRY_FACTOR": "0"}, "SANDBOX_RETRY_FACTOR"),
        ({"SANDBOX_RETRY_FACTOR": "nan"}, "SANDBOX_RETRY_FACTOR"),
        ({"SANDBOX_SMTP_PORT": "smtp"}, "SANDBOX_SMTP_PORT must be a port from 0 to 65535, not 'smtp'"),
        ({"SANDBOX_TEAMS": "many"}, "SANDBOX_TEAMS must be a number from 0 to 1000, not 'many'"),
    ],
)
def test_a_bad_variable_stops_the_start_with_one_clear_line(variables: dict[str, str], message: str) -> None:
    command = [sys.executable, "-c", "import integrations.sandbox.wsgi"]
    result = subprocess.run(command, cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert message in result.stderr.splitlines()[-1]
