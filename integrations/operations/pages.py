"""Addresses of the admin's pages, for texts that lead to where something can be done."""

from urllib.parse import urlencode

from django.db.models import Model
from django.urls import reverse


def list_of(model: type[Model], **filters: object) -> str:
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return f"{address}?{urlencode(filters)}" if filters else address


def page_of(row: Model, page: str = "change") -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{page}", args=[row.pk])
