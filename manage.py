#!/usr/bin/env python
"""Keepsync's command line: `python manage.py help` lists the commands."""

import os
import sys

from django.core.management import execute_from_command_line

from config import database
from config.env import ConfigurationError
from integrations.privacy.keys import generate_key


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if sys.argv[1:] == ["generate_key"]:
        # Before there are settings: they cannot be read until the keys are given.
        sys.stdout.write(f"{generate_key()}\n")
        return
    try:
        database.ensure_running()
        execute_from_command_line(sys.argv)
    except ConfigurationError as error:
        sys.exit(f"keepsync: {error}")


if __name__ == "__main__":
    main()
