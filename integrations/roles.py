"""The roles: groups that every installation has, and whose permissions are always those of the table.

Which permissions each role has is written in config/roles.py. An administrator's own groups are left alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

VIEWER, OPERATOR, INTEGRATION_ADMIN = "Viewer", "Operator", "Integration admin"
NAMES = (VIEWER, OPERATOR, INTEGRATION_ADMIN)


@dataclass(frozen=True, slots=True)
class Role:
    """A group. It may look at all models of `sees`, but those of `hidden`, and has the `permissions` beside."""

    name: str
    sees: Sequence[str]
    hidden: Sequence[str]
    permissions: Sequence[str]


def keep_roles(roles: Iterable[Role], *, apps: Any, using: str) -> None:
    """Make the groups that are missing, and give each what the table says, no more and no less.

    What does not exist yet, after a migration that did not go all the way, is given by the next one.
    """
    known = read_permissions(apps, using)
    for role in roles:
        group, _ = apps.get_model("auth", "Group").objects.using(using).get_or_create(name=role.name)
        group.permissions.set([known[name] for name in list_permissions(role, known)])


def read_permissions(apps: Any, using: str) -> dict[str, int]:
    """`app.codename` → its key."""
    rows = apps.get_model("auth", "Permission").objects.using(using).select_related("content_type")
    return {f"{row.content_type.app_label}.{row.codename}": row.pk for row in rows}


def list_permissions(role: Role, known: Iterable[str]) -> set[str]:
    """Of the known ones, those that the role has."""
    prefixes = tuple(f"{app}.view_" for app in role.sees)
    seen = {name for name in known if name.startswith(prefixes)} - set(role.hidden)
    return seen | set(role.permissions).intersection(known)
