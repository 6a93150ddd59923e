"""What every part of the REST API shares: errors, pages and filters."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers, viewsets
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, exception_handler

from integrations.exceptions import RejectedError, UnstoredError
from integrations.models import Delivery, Effect
from integrations.privacy.encryption import UnreadableValueError, show_unreadable
from integrations.retries import Cause


def answer_error(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Every error as `{"code", "message", "field"?}`; None for one that nobody foresaw, which becomes a plain 500.

    In JSON, also where the answer itself would have been a page or YAML.
    """
    context["request"].accepted_renderer = JSONRenderer()
    context["request"].accepted_media_type = JSONRenderer.media_type
    match error:
        case RejectedError():
            headers = {"WWW-Authenticate": "Signature"} if error.status_code == 401 else None
            return answer(error.status_code, error.code, str(error), error.field, headers)
        case UnstoredError():
            retry_after = {"Retry-After": str(error.retry_after_s)} if error.retry_after_s else None
            return answer(error.status_code, error.code, str(error), None, retry_after)
        case UnreadableValueError():
            return answer(503, "unreadable", str(error), None)
        case Http404():
            error = exceptions.NotFound()
        case PermissionDenied():
            error = exceptions.PermissionDenied()
    response = exception_handler(error, dict(context))
    if response is None or not isinstance(error, exceptions.APIException):
        return response
    field, detail = first_detail(error.detail)
    response.data = body(getattr(detail, "code", error.default_code), str(detail), field)
    return response


def first_detail(detail: Any, field: str | None = None) -> tuple[str | None, Any]:
    """The first message of DRF's nested details, and the field that it is about."""
    if isinstance(detail, Mapping) and detail:
        name, nested = next(iter(detail.items()))
        return first_detail(nested, None if name == "non_field_errors" else str(name))
    if isinstance(detail, list) and detail:
        return first_detail(detail[0], field)
    return field, detail


def answer(
    status: int, code: str, message: str, field: str | None, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(body(code, message, field), status=status, headers=headers)


def body(code: str, message: str, field: str | None) -> dict[str, str]:
    return {"code": code, "message": message} | ({"field": field} if field else {})


class UnknownAddressView(APIView):
    """Every other address below /api/: 404 in the API's error form, also where Django would show its own page."""

    @extend_schema(exclude=True)
    def get(self, request: Request, **_: Any) -> Response:
        raise exceptions.NotFound("There is nothing at this address: see /api/docs/.")

    post = put = patch = delete = get


class ReadViewSet(viewsets.ReadOnlyModelViewSet):
    """Base of the lists: subclasses name their filters, and a filter that nobody named is an error."""

    filters: tuple[str, ...] = ()
    statuses: Sequence[str] = ()
    ordinary_parameters = ("cursor", "page_size")

    @show_unreadable()
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

    @show_unreadable()
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().retrieve(request, *args, **kwargs)

    def read_filters(self) -> dict[str, str]:
        """Filter → value, of those given. Raises ValidationError, naming a parameter that is unknown or bad."""
        given = self.request.query_params
        unknown = sorted(set(given) - {*self.filters, *self.ordinary_parameters})
        if unknown:
            raise exceptions.ValidationError({unknown[0]: f"There is no filter {unknown[0]}."})
        for name, value in given.items():
            if "\0" in value:
                raise exceptions.ValidationError({name: "The value holds a NUL character."})
        if "status" in given and given["status"].strip() not in self.statuses:
            raise exceptions.ValidationError({"status": f"Give one of {', '.join(self.statuses)}."})
        return {name: given[name].strip() for name in self.filters if name in given}


def read_instant(parameters: Mapping[str, str], name: str) -> Any:
    """An aware datetime of a query parameter. Raises ValidationError, naming it."""
    text = parameters.get(name, "")
    try:
        # A plus sign that was not quoted arrives as a space.
        instant = parse_datetime(text.replace(" ", "+"))
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise exceptions.ValidationError(
            {name: f"Give {name} as ISO 8601 with an offset, such as 2026-11-24T13:00:00Z."}
        )
    return instant


class NullableCause(serializers.ChoiceField):
    """A failure's cause; null where there is none."""

    def __init__(self) -> None:
        super().__init__(choices=Cause.choices, allow_null=True, read_only=True)

    def to_representation(self, value: Any) -> Any:
        return super().to_representation(value) or None


class NullableText(serializers.CharField):
    """Null where it is empty."""

    def __init__(self) -> None:
        super().__init__(allow_null=True, read_only=True)

    def to_representation(self, value: Any) -> Any:
        return super().to_representation(value) or None


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    connection = serializers.CharField(source="connection.slug")
    cause = NullableCause()

    class Meta:
        model = Delivery
        fields = [
            "id", "connection", "delivery_id", "event_type", "status", "cause", "attempts", "duplicates",
            "received_at", "processed_at",
        ]  # fmt: skip


class DeliveryViewSet(ReadViewSet):
    """Incoming webhooks, newest first."""

    serializer_class = DeliverySerializer
    statuses = Delivery.Status.values
    filters = ("delivery_id", "status", "connection", "event_type", "cause")

    def get_queryset(self) -> Any:
        found = Delivery.objects.select_related("connection").defer("body", "headers")
        if self.action != "list":
            return found
        filters = self.read_filters()
        if "connection" in filters:
            filters["connection__slug"] = filters.pop("connection")
        return found.filter(**filters)


class EffectSerializer(serializers.ModelSerializer[Effect]):
    connection = serializers.CharField(source="connection.slug")
    cause = NullableCause()
    external_id = NullableText()

    class Meta:
        model = Effect
        fields = [
            "id", "connection", "kind", "subject", "status", "cause", "attempts", "external_id", "created_at",
            "finished_at",
        ]  # fmt: skip


class EffectViewSet(ReadViewSet):
    """Changes at other systems, newest first."""

    serializer_class = EffectSerializer
    statuses = Effect.Status.values
    filters = ("status", "kind", "connection", "subject", "cause")

    def get_queryset(self) -> Any:
        found = Effect.objects.select_related("connection").defer("connection__credentials")
        if self.action != "list":
            return found
        filters = self.read_filters()
        if "connection" in filters:
            filters["connection__slug"] = filters.pop("connection")
        return found.filter(**filters)
