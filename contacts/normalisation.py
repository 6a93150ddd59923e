"""Normal forms of what people type: e-mail addresses, phone numbers, names, companies. Pure."""

import re
import unicodedata

import phonenumbers
from email_validator import EmailNotValidError, validate_email

# The local part of a mailbox that several people read. It identifies nobody.
ROLE_MAILBOXES = frozenset(
    [
        "accounting",
        "accounts",
        "admin",
        "billing",
        "booking",
        "bookings",
        "careers",
        "contact",
        "contato",
        "contacto",
        "customerservice",
        "enquiries",
        "events",
        "finance",
        "hello",
        "help",
        "helpdesk",
        "hi",
        "hr",
        "info",
        "inquiries",
        "invoices",
        "jobs",
        "kontakt",
        "legal",
        "mail",
        "marketing",
        "news",
        "newsletter",
        "no-reply",
        "noreply",
        "do-not-reply",
        "donotreply",
        "office",
        "orders",
        "postmaster",
        "press",
        "reception",
        "recruiting",
        "sales",
        "secretary",
        "service",
        "support",
        "team",
        "webmaster",
        "welcome",
    ]
)
LEGAL_FORMS = frozenset(
    [
        "ab",
        "ag",
        "as",
        "asa",
        "bv",
        "co",
        "company",
        "corp",
        "corporation",
        "cv",
        "eurl",
        "gmbh",
        "inc",
        "incorporated",
        "kft",
        "kg",
        "kk",
        "limited",
        "llc",
        "llp",
        "ltd",
        "ltda",
        "nv",
        "oy",
        "oyj",
        "plc",
        "pte",
        "pty",
        "pvt",
        "sa",
        "sarl",
        "sas",
        "sasu",
        "sl",
        "spa",
        "srl",
        "sro",
        "ug",
        "zoo",
    ]
)
EASTERN_LEGAL_FORMS = re.compile("株式会社|有限会社|合同会社|有限公司|주식회사")
WORD = re.compile(r"[^\W_]+")


def normalise_email(text: str) -> str | None:
    """The address in lower case, its domain in Unicode (IDNA 2008); None where it is none."""
    try:
        checked = validate_email(text.strip(), check_deliverability=False, test_environment=True)
    except (EmailNotValidError, UnicodeError):
        return None
    return checked.normalized.lower()


def is_role_mailbox(email: str) -> bool:
    """Whether a normalised address names a role, such as info@, instead of a person."""
    return email.partition("@")[0].partition("+")[0].replace("_", "-").replace(".", "-") in ROLE_MAILBOXES


def normalise_phone(text: str, *regions: str) -> str | None:
    """E.164, read as dialled in the first of the two-letter `regions` in which the number is valid; else None."""
    for region in [*dict.fromkeys(region.upper() for region in regions if region), None]:
        try:
            number = phonenumbers.parse(text, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    return None


def fold(text: str) -> str:
    """Lower case without accents: what looks the same compares the same."""
    # Twice: some signs, such as ℡, only show their capital letters when they are taken apart.
    once = unicodedata.normalize("NFKD", text).casefold()
    decomposed = unicodedata.normalize("NFKD", once)
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def split_words(text: str) -> list[str]:
    """The folded words of a name: "Zoë O'Neil" → zoe, o, neil."""
    return WORD.findall(fold(text))


def name_key(full_name: str) -> str:
    """The same for spellings of one name that differ in case, accents, order and punctuation."""
    return " ".join(sorted(split_words(full_name)))


def company_key(company: str) -> str:
    """The company's folded words without its legal form."""
    words = split_words(EASTERN_LEGAL_FORMS.sub(" ", unicodedata.normalize("NFKC", company)))
    return " ".join(word for word in words if word not in LEGAL_FORMS) or " ".join(words)
