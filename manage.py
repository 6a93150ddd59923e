#!/usr/bin/env python
"""Keepsync's command line: `python manage.py help` lists the commands."""

import os
import sys

from django.core.management import execute_from_command_line

from config import database
from config.env import ConfigurationError


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        database.ensure_running()
        execute_from_command_line(sys.argv)
    except ConfigurationError as error:
        sys.exit(f"keepsync: {error}")


if __name__ == "__main__":
    main()
