"""What Stripe refuses, as answers. https://docs.stripe.com/api/errors

StripeError
├── InvalidRequestError   a parameter can't be used, or the state doesn't allow it (400)
├── MissingError          no such object (404)
└── KeyReusedError        an Idempotency-Key came again with other parameters (400)
"""

from django.http import HttpResponse, JsonResponse

from integrations.sandbox.frame import RefusedError


def error_response(
    status: int, message: str, *, kind: str = "invalid_request_error", code: str | None = None, param: str | None = None
) -> HttpResponse:
    fields = {"type": kind, "message": message, "code": code, "param": param}
    return JsonResponse({"error": {name: value for name, value in fields.items() if value is not None}}, status=status)


class StripeError(RefusedError):
    """Base of all refusals; `message` is Stripe's, for the caller."""

    status = 400
    kind = "invalid_request_error"

    def __init__(self, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(error_response(self.status, message, kind=self.kind, code=code, param=param))
        self.message = message
        self.code = code
        self.param = param


class InvalidRequestError(StripeError):
    pass


class MissingError(StripeError):
    status = 404

    def __init__(self, kind: str, object_id: str, *, param: str) -> None:
        super().__init__(f"No such {kind}: '{object_id}'", code="resource_missing", param=param)


class KeyReusedError(StripeError):
    kind = "idempotency_error"
