"""E-mail through Django's mailer, which EMAIL_URL sets: one message to one person at a time.

SMTP has no key by which a second copy is refused. Whoever sends therefore has to know how far a failed try came:

- OutageError, TransientError, SetupError and PermanentError say that the mail server has not taken the message;
- LostAnswerError says that it may have. `smtplib` does not tell at which command a standing connection broke, so every
  break after the log-in counts as this.
"""

import re
import smtplib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import parseaddr

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives, mailers
from django.core.mail.backends.base import BaseEmailBackend
from django.core.validators import validate_email

from integrations.exceptions import (
    KeepsyncError,
    LostAnswerError,
    OutageError,
    PermanentError,
    SetupError,
    TransientError,
)
from integrations.providers.base import Account

CONTROL = re.compile("[\x00-\x1f\x7f]")
# `msg-id` of RFC 5322 3.6.4, as far as it is ever used: printable ASCII without these three.
MESSAGE_ID = re.compile("<[!-;=?A-~]+@[!-;=?A-~]+>")
# "Service not available, closing transmission channel" (RFC 5321 4.2.3): not about this message.
CLOSING = 421
# "Exceeded storage allocation": as the answer to MAIL it says that the message is too big (RFC 1870 6.1).
TOO_BIG = 552


@dataclass(frozen=True, slots=True)
class Attachment:
    """`mimetype` may have parameters, such as `text/calendar; method=PUBLISH`."""

    filename: str
    content: bytes
    mimetype: str


@dataclass(frozen=True, slots=True)
class Message:
    """`to` is a bare address. `html` may be empty. `message_id` is RFC 5322's, in angle brackets.

    The id is one for all tries: mail programs show two copies with the same id as one.
    """

    to: str
    subject: str
    text: str
    html: str
    message_id: str
    attachments: tuple[Attachment, ...] = ()


def send_message(account: Account, message: Message) -> None:
    """Hand the message to the mail server; the module's docstring says what is raised when."""
    mail = make_mail(message, sender=read_sender(account))
    with open_mailer() as mailer:
        try:
            mailer.send_messages([mail])
        # Without `from`: these errors quote addresses, and a traceback would show them.
        except ValueError:
            raise PermanentError("The message cannot be written as an e-mail: check its address and texts.") from None
        except OSError as error:
            raise explain_sending(error) from None


def check_mailer(account: Account) -> str:
    """Open a connection, and say by which of Django's backends e-mail goes out."""
    read_sender(account)
    with open_mailer() as mailer:
        name = type(mailer).__module__.rpartition(".")[2]
    if name == "smtp":
        return "The mail server answers; e-mail goes out by SMTP."
    return f"E-mail is not sent: Django's backend {name!r} takes it. Set EMAIL_URL to a mail server."


# --- The message ------------------------------------------------------------------------------------------------------


def make_mail(message: Message, *, sender: str) -> EmailMultiAlternatives:
    """Raises PermanentError for what could end a header early, or is no address."""
    refuse_control(message.subject, "subject")
    if not is_address(message.to):
        raise PermanentError("The recipient has no valid e-mail address: correct the contact's.")
    if not MESSAGE_ID.fullmatch(message.message_id):
        raise PermanentError("The message id is not of the form <name@host>.")
    for attachment in message.attachments:
        refuse_control(attachment.filename + attachment.mimetype, "attachment's name")
    mail = EmailMultiAlternatives(
        message.subject,
        message.text,
        sender,
        [message.to],
        headers={"Message-ID": message.message_id, "Auto-Submitted": "auto-generated"},
    )
    if message.html:
        mail.attach_alternative(message.html, "text/html")
    for attachment in message.attachments:
        mail.attach(attachment.filename, attachment.content, attachment.mimetype)
    return mail


def read_sender(account: Account) -> str:
    """The connection's `from_address`, else DEFAULT_FROM_EMAIL: an address, or `Name <address>`."""
    sender = account.options.get("from_address") or settings.DEFAULT_FROM_EMAIL
    if CONTROL.search(sender) or not is_address(parseaddr(sender)[1]):
        raise SetupError("The sender is no e-mail address: set the connection's option from_address.")
    return sender


def refuse_control(text: str, name: str) -> None:
    if CONTROL.search(text):
        raise PermanentError(f"The {name} holds a line break or another control character.")


def is_address(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True


# --- The mailer -------------------------------------------------------------------------------------------------------


@contextmanager
def open_mailer() -> Iterator[BaseEmailBackend]:
    """A connection that stands, closed in the end. What the mail server took stays taken, whatever its QUIT says."""
    mailer = mailers.default
    try:
        try:
            mailer.open()
        except (OSError, UnicodeError) as error:
            raise explain_opening(error) from error
        yield mailer
    finally:
        with suppress(OSError):
            mailer.close()


def explain_opening(error: OSError | UnicodeError) -> KeepsyncError:
    """Connecting, greeting, TLS or log-in failed: nothing was sent."""
    code = code_of(error)
    if isinstance(error, smtplib.SMTPAuthenticationError) and code >= 500:
        return SetupError(f"The mail server refuses the log-in ({code}): correct the user and password in EMAIL_URL.")
    # A plain SMTPException: the server offers no way to log in that Python knows.
    if isinstance(error, smtplib.SMTPNotSupportedError | UnicodeError) or type(error) is smtplib.SMTPException:
        return SetupError("The mail server offers no such log-in or encryption: correct the scheme in EMAIL_URL.")
    return OutageError(f"The mail server cannot be reached ({code or type(error).__name__}).")


def explain_sending(error: OSError) -> KeepsyncError:
    """By the reply code (RFC 5321 4.2.1): 4xx may pass, 5xx does not."""
    code = code_of(error)
    is_before = isinstance(error, smtplib.SMTPRecipientsRefused | smtplib.SMTPSenderRefused | smtplib.SMTPHeloError)
    if code == CLOSING or (is_before and not 400 <= code < 600):
        return OutageError(f"The mail server closes the connection ({code}).")
    if 400 <= code < 500:
        return TransientError(f"The mail server does not take the message now ({code}).")
    if 500 <= code < 600:
        return explain_refusal(error, code)
    return LostAnswerError("The mail server broke off without an answer: the message may have been sent.")


def explain_refusal(error: OSError, code: int) -> PermanentError:
    match error:
        case smtplib.SMTPRecipientsRefused():
            return PermanentError(f"The mail server refuses the recipient ({code}): check the contact's address.")
        case smtplib.SMTPSenderRefused() if code != TOO_BIG:
            return SetupError(
                f"The mail server refuses the sender ({code}): correct the option from_address, or EMAIL_URL."
            )
    return PermanentError(f"The mail server refuses the message ({code}).")


def code_of(error: Exception) -> int:
    """The server's reply code; 0 where it gave none."""
    match error:
        case smtplib.SMTPRecipientsRefused():
            return next((int(code) for code, _ in error.recipients.values()), 0)
        case smtplib.SMTPResponseException():
            return int(error.smtp_code)
    return 0
