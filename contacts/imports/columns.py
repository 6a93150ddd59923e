"""The columns of a file of contacts: what an export writes, and what an import takes, also under other names. Pure."""

import re

from contacts.models import Consent

CHANNELS = tuple(Consent.Channel)
CONSENTS = tuple(f"marketing_{channel}{part}" for channel in CHANNELS for part in ("", "_at", "_wording"))
# In the order in which an export writes them.
EXPORTED = (
    "id",
    "full_name",
    "email",
    "other_emails",
    "phone",
    "other_phones",
    "company",
    "country",
    "timezone",
    "notes",
    "lead_source",
    "lead_score",
    "lead_status",
    "owner",
    *CONSENTS,
    "as_typed",
    "created_at",
    "updated_at",
)
# What an export or a list of refused rows adds, and an import knows to leave alone.
PASSED_OVER = frozenset({"as_typed", "created_at", "external_id", "line", "problem"})
TAKEN = (*(name for name in EXPORTED if name not in PASSED_OVER), "first_name", "last_name")
# At least one of these is needed: without, no row says who it is about.
IDENTIFYING = ("id", "full_name", "first_name", "last_name", "email", "phone")
ALIASES = {
    "contact_id": "id",
    "keepsync_id": "id",
    "name": "full_name",
    "contact_name": "full_name",
    "given_name": "first_name",
    "firstname": "first_name",
    "forename": "first_name",
    "family_name": "last_name",
    "lastname": "last_name",
    "surname": "last_name",
    "e_mail": "email",
    "mail": "email",
    "email_address": "email",
    "e_mail_address": "email",
    "telephone": "phone",
    "phone_number": "phone",
    "mobile": "phone",
    "mobile_phone": "phone",
    "tel": "phone",
    "company_name": "company",
    "organisation": "company",
    "organization": "company",
    "account_name": "company",
    "country_code": "country",
    "time_zone": "timezone",
    "note": "notes",
    "comments": "notes",
    "source": "lead_source",
    "score": "lead_score",
    "status": "lead_status",
    "contact_owner": "owner",
    "lead_owner": "owner",
    "marketing_consent": "marketing_email",
    "email_consent": "marketing_email",
    "consent": "marketing_email",
    "last_modified": "updated_at",
    "modified_at": "updated_at",
}


def read_name(header: str) -> str:
    """The column that a header names, whichever way it is written; empty where it is none of ours."""
    name = re.sub(r"[\W_]+", "_", header.casefold()).strip("_")
    name = ALIASES.get(name, name)
    return name if name in TAKEN or name in PASSED_OVER else ""
