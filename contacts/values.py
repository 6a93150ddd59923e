"""A contact's fields as texts in their normal form, to be compared with what others say."""

from contacts.imports import cells
from contacts.models import Contact
from contacts.normalisation import normalise_email, normalise_phone
from integrations.countries import read_country


def normalise_value(name: str, text: str, *, region: str) -> str | None:
    """None for what cannot be read. Nothing is nothing, but for what a contact cannot be without."""
    text = text.strip()
    match name:
        case "email":
            return normalise_email(text)
        case "phone":
            return normalise_phone(text, region) if text else ""
        case "country":
            return read_country(text) or None if text else ""
        case "timezone":
            return text if not text or text in cells.time_zones() else None
        case "lead_status":
            return text.casefold() if text.casefold() in Contact.LeadStatus.values else None
        case "lead_score":
            return read_score(text)
    return text


def read_score(text: str) -> str | None:
    try:
        return str(cells.read_score("lead_score", text.removesuffix(".0")))
    except cells.CellError:
        return None
