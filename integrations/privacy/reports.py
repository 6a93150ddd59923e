"""What Django's error page shows while DEBUG is on: where it went wrong, and nothing that was being worked on.

Django's own page shows the local variables of each frame, the request's address and the error's text: they hold codes,
tokens, and people's data. Set as DEFAULT_EXCEPTION_REPORTER.
"""

import traceback
from collections.abc import Iterator

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.debug import ExceptionReporter

from integrations.exceptions import KeepsyncError

# A cause may have a cause, and so on.
LONGEST_CHAIN = 10
PAGE = '<!doctype html><html lang="en"><title>Server error</title><h1>Server error</h1><pre>{text}</pre></html>'


class PrivateReporter(ExceptionReporter):
    """Types, places and lines of code. A KeepsyncError's message is safe to show; any other's is left out."""

    def get_traceback_html(self) -> SafeString:
        return format_html(PAGE, text="\n".join(describe_chain(self.exc_value)))

    def get_traceback_text(self) -> SafeString:
        """Sent as plain text."""
        return SafeString("\n".join(describe_chain(self.exc_value)))


def describe_chain(error: BaseException | None) -> Iterator[str]:
    """The error first, then what caused it."""
    for _ in range(LONGEST_CHAIN):
        if error is None:
            return
        message = f": {error}" if isinstance(error, KeepsyncError) else ""
        yield f"{type(error).__qualname__}{message}"
        yield from traceback.format_list(traceback.extract_tb(error.__traceback__))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if error:
            yield "Caused by:"
