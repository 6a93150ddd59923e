"""What a delivery's page shows below its facts and attempts: what it led to, its payload and its headers, redacted."""

from django.http import HttpRequest

from integrations.admin.effect_panels import list_effects
from integrations.admin.formats import format_json, format_utc
from integrations.admin.panels import Panel, panel_on
from integrations.deliveries import explain_emptied
from integrations.exceptions import KeepsyncError, MalformedError
from integrations.models import Delivery, Effect
from integrations.privacy.encryption import UnreadableValueError
from integrations.privacy.redaction import redact, redact_headers
from integrations.providers import get_provider
from integrations.providers.json_body import parse_json


@panel_on(Delivery)
def show_effects(request: HttpRequest, delivery: Delivery) -> Panel:
    return list_effects(Effect.objects.filter(delivery_id=delivery.pk), empty="It has led to nothing outside.")


@panel_on(Delivery)
def show_payload(request: HttpRequest, delivery: Delivery) -> Panel:
    waits = "It tells of a person who was erased: it is emptied once it has been worked on."
    return Panel("Payload, redacted", text=print_redacted(delivery), note=waits if delivery.erasing_since else "")


def print_redacted(delivery: Delivery) -> str:
    if delivery.erased_at:
        return f"It was erased on {format_utc(delivery.erased_at)}, with the data of a person. A repeat is still known."
    if delivery.emptied_at:
        return explain_emptied(delivery)
    try:
        visible_keys = get_provider(delivery.connection.provider).visible_keys
        return format_json(redact(parse_json(bytes(delivery.body)), visible_keys))
    except MalformedError:
        return f"It is not JSON ({len(delivery.body):,} bytes), so nothing of it can be shown redacted."
    except (KeepsyncError, UnreadableValueError) as error:
        return f"It cannot be shown: {error}"


@panel_on(Delivery)
def show_headers(request: HttpRequest, delivery: Delivery) -> Panel:
    try:
        shown = redact_headers(delivery.headers)
    except UnreadableValueError as error:
        return Panel("Headers, redacted", text=f"They cannot be shown: {error}")
    return Panel("Headers, redacted", headers=["Name", "Value"], rows=list(shown.items()), empty="There are none.")
