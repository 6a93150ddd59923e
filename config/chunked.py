"""Bodies sent with `Transfer-Encoding: chunked`, which Django reads as empty because they have no Content-Length."""

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

# One byte above the largest body that any view accepts, so that the view sees that it is too large.
READ_LIMIT = 1024 * 1024 + 1

type Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def accept_chunked(application: Application) -> Application:
    """Wrap a WSGI application so that chunked bodies arrive with their length."""

    def wrapped(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
            body = environ["wsgi.input"].read(READ_LIMIT)
            environ["wsgi.input"] = BytesIO(body)
            environ["CONTENT_LENGTH"] = str(len(body))
        return application(environ, start_response)

    return wrapped
