"""Pipedrive: persons, activities and their fields by API v2, merging by API v1, and webhooks of version 2."""
