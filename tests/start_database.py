"""A pytest plugin, loaded with -p before Django's settings are: starts the embedded PostgreSQL where none is named."""

from config import database

database.ensure_running()
