"""Whether somebody has decided who owns which field."""

from typing import Any

from integrations.models import Connection, FieldMapping, FieldRule, Pair
from integrations.operations.checklist import DAY, Evidence, Section, failed, not_applicable, passed, proves
from integrations.operations.pages import list_of, page_of

DISABLED = Connection.Status.DISABLED


def list_pairs() -> list[Pair]:
    """Those whose connections are both in use."""
    used = Pair.objects.exclude(calendar__status=DISABLED).exclude(crm__status=DISABLED)
    chosen = used.select_related("calendar", "crm").defer("calendar__credentials", "crm__credentials")
    return list(chosen.prefetch_related("field_rules", "crm__field_mappings").order_by("id"))


def list_rules() -> list[Any]:
    """All that says who owns what: patterns, an administrator's own rules, and what is mapped to what."""
    pairs = list_pairs()
    rules = FieldRule.objects.filter(pair__in=pairs).order_by("pair", "record", "field")
    mapped = FieldMapping.objects.filter(connection__in={pair.crm_id for pair in pairs})
    return [
        [[pair.calendar_id, pair.crm_id, pair.pattern] for pair in pairs],
        list(rules.values_list("pair", "record", "field", "owner", "mode", "policy")),
        list(mapped.order_by("connection", "record", "ours", "theirs").values_list("connection", "ours", "theirs")),
    ]


@proves(
    "field_owners",
    Section.INTEGRATION,
    "The owner of each field is decided",
    why="Where both sides may write a field and nobody has decided who leads, they overwrite each other for ever.",
    holds=DAY,
    attests=list_rules,
)
def probe_owners(now: object) -> Evidence:
    """A program sees that there are rules; that they are the right ones, a person says."""
    pairs = list_pairs()
    if not pairs:
        return not_applicable("No CRM is paired: the built-in one takes what bookings say.")
    bare = next((pair for pair in pairs if not pair.crm.field_mappings.all()), None)
    if bare is not None:
        advice = "Give the CRM a mapping: press “Import mapping” on its page, or add its fields."
        return failed(
            f"{bare}: none of our fields is mapped to one of {bare.crm}.", advice=advice, address=page_of(bare.crm)
        )
    return passed(*(describe_pair(pair) for pair in pairs), address=list_of(Pair))


def describe_pair(pair: Pair) -> str:
    mapped, changed = len(pair.crm.field_mappings.all()), len(pair.field_rules.all())
    return f"{pair}: {pair.get_pattern_display()}, {mapped} fields mapped, {changed} rules changed by hand."
