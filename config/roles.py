"""Who may do what: the table of roles. Each role may do what the one above it may.

A model's view permission comes by itself; every other permission is given here. Users, groups, API tokens, schedules,
and booking through the API are for administrators, or for who is given the permission itself.
"""

from contextlib import suppress
from typing import Any

from django.apps import apps as global_apps

from integrations.roles import INTEGRATION_ADMIN, OPERATOR, VIEWER, Role
from integrations.roles import keep_roles as keep

SEEN = ("bookings", "contacts", "integrations", "django_q")
# Rows of nothing but secrets, and who signs in from where.
HIDDEN = (
    "integrations.view_authorisation",
    "integrations.view_token",
    "integrations.view_webhooksecret",
    "integrations.view_signincount",
    "integrations.view_secondfactor",
    "integrations.view_recoverycode",
)

OPERATES = (
    "integrations.operate_delivery",
    "integrations.operate_effect",
    "integrations.reveal_delivery",
    "integrations.operate_replayplan",
    "integrations.approve_replayplan",
    "integrations.check_checklistitem",
    "integrations.sign_off_runbooktask",
    "integrations.operate_alert",
    "integrations.accept_payloadshape",
    "contacts.change_contact",
    "contacts.review_candidatepair",
    "contacts.add_importrun",
    "contacts.change_importrun",
    "bookings.operate_reconciliation",
    "bookings.settle_conflict",
    # To choose a contact's owner among them.
    "auth.view_user",
)
INTEGRATES = (
    "integrations.add_connection",
    "integrations.change_connection",
    "integrations.change_firststep",
    "integrations.add_fieldmapping",
    "integrations.change_fieldmapping",
    "integrations.delete_fieldmapping",
    "integrations.add_fieldrule",
    "integrations.change_fieldrule",
    "integrations.delete_fieldrule",
    "integrations.change_alertrule",
    "integrations.add_pair",
    "integrations.change_pair",
    "integrations.delete_pair",
    "integrations.sign_checklistitem",
    "integrations.change_regionrule",
    "integrations.add_region",
    "integrations.change_region",
    "integrations.change_retentiontime",
    "contacts.add_scorerule",
    "contacts.change_scorerule",
    "contacts.delete_scorerule",
    "contacts.add_poolmember",
    "contacts.change_poolmember",
    "contacts.delete_poolmember",
    "contacts.add_absence",
    "contacts.change_absence",
    "contacts.delete_absence",
    "contacts.change_duplicatepolicy",
    "bookings.add_price",
    "bookings.change_price",
    "bookings.delete_price",
    "bookings.change_calendar",
    "bookings.add_trialbooking",
    "bookings.change_trialbooking",
    # People's data leaves, or is gone for good.
    "contacts.export_contact",
    "contacts.access_contact_data",
    "contacts.erase_contact",
)

ROLES = (
    Role(VIEWER, SEEN, HIDDEN, ()),
    Role(OPERATOR, SEEN, HIDDEN, OPERATES),
    Role(INTEGRATION_ADMIN, SEEN, HIDDEN, (*OPERATES, *INTEGRATES)),
)


def keep_roles(*, using: str, apps: Any = global_apps, **_: Any) -> None:
    """After every migration, once all permissions exist: those of new models are given at once."""
    with suppress(LookupError):  # The first migrations of an empty database know no groups yet.
        keep(ROLES, apps=apps, using=using)
