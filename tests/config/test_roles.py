"""What each role may do on every page of the admin. A new page, button, link or action needs an entry in the table."""

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.migrations.state import StateApps
from django.test import Client, RequestFactory
from django.urls import reverse
from uuid_utils.compat import uuid7

from config.roles import ROLES, keep_roles
from integrations.models import Connection
from integrations.roles import INTEGRATION_ADMIN, NAMES, OPERATOR, VIEWER
from tests.integrations.admin.support import get_page

NOBODY = "Nobody but a superuser"
# Each may do what those before it may.
LADDER = (VIEWER, OPERATOR, INTEGRATION_ADMIN, NOBODY)
STANDARD_PAGES = {"changelist", "add", "change", "delete", "history", "simple_history"}

# Model → the lowest role that may → what. `view` is all that its pages show, with their history.
TABLE: dict[str, dict[str, str]] = {
    "integrations.alert": {
        VIEWER: "view",
        OPERATOR: "button:mute button:unmute button:take button:give_back button:check_certificate",
    },
    "integrations.alertrule": {
        VIEWER: "view",
        INTEGRATION_ADMIN: "change",
    },
    "integrations.payloadshape": {
        VIEWER: "view",
        OPERATOR: "button:accept",
    },
    "integrations.connection": {
        VIEWER: "view link:secrets page:export_mapping page:secrets",
        OPERATOR: "button:verify_rejected button:import_contacts",
        INTEGRATION_ADMIN: (
            "add change button:test button:pause button:resume button:disable button:set_credentials "
            "button:prepare button:import_mapping button:add_secret button:retire_secret "
            "button:refresh_token button:revoke button:forget link:authorise page:authorise"
        ),
    },
    "integrations.delivery": {
        VIEWER: "view page:dead_letters link:trace",
        OPERATOR: (
            "button:replay button:verify_again button:discard button:reveal action:replay_selected "
            "action:plan_selected page:plan_replay page:replay_dead_letters"
        ),
    },
    "integrations.effect": {
        VIEWER: "view link:trace",
        OPERATOR: (
            "button:confirm_arrival button:send_again button:try_now button:replay button:suppress button:discard "
            "action:replay_selected action:plan_selected page:plan_replay page:replay_dead_letters"
        ),
    },
    "integrations.replayplan": {
        VIEWER: "view page:progress",
        OPERATOR: "button:approve button:start button:pause button:resume button:cancel",
    },
    "integrations.replayitem": {
        VIEWER: "view",
    },
    "integrations.firststep": {
        VIEWER: "view",
        INTEGRATION_ADMIN: ("page:check page:mapping page:entered page:ask page:built_in page:dismiss page:offer"),
    },
    "integrations.checklistitem": {
        VIEWER: "view",
        OPERATOR: "button:check page:check_all",
        INTEGRATION_ADMIN: "button:sign",
    },
    "integrations.runbooktask": {
        VIEWER: "view",
        OPERATOR: "button:sign_off",
    },
    "integrations.signoff": {
        VIEWER: "view",
    },
    "integrations.signincount": {
        NOBODY: "view button:reopen",
    },
    "integrations.fieldrule": {
        VIEWER: "view",
        INTEGRATION_ADMIN: "add change delete",
    },
    "integrations.fieldmapping": {
        VIEWER: "view",
        INTEGRATION_ADMIN: "add change delete",
    },
    "integrations.pair": {
        VIEWER: "view",
        INTEGRATION_ADMIN: "add change delete",
    },
    "integrations.regionrule": {
        VIEWER: "view page:download",
        INTEGRATION_ADMIN: "change page:policy",
    },
    "integrations.region": {
        VIEWER: "view",
        INTEGRATION_ADMIN: "add change",
    },
    "integrations.retentiontime": {
        VIEWER: "view",
        INTEGRATION_ADMIN: "change page:times page:purge",
    },
    "django_q.schedule": {
        VIEWER: "view",
        NOBODY: "change",
    },
    "django_q.ormq": {
        VIEWER: "view",
    },
    "django_q.failure": {
        VIEWER: "view",
    },
    "auth.user": {
        OPERATOR: "view",
        NOBODY: "add change delete page:password_change button:reset_second_factor",
    },
    "auth.group": {
        NOBODY: "add change delete view",
    },
    "authtoken.tokenproxy": {
        NOBODY: "add delete view",
    },
    "contacts.duplicatepolicy": {
        VIEWER: "view",
        INTEGRATION_ADMIN: "change",
    },
    "contacts.duplicaterun": {
        VIEWER: "view",
    },
    "contacts.importrun": {
        VIEWER: "view page:progress page:refused",
        OPERATOR: "button:import_for_real button:stop button:resume",
    },
    "contacts.scorerule": {
        VIEWER: "view",
        INTEGRATION_ADMIN: "add change delete",
    },
    "contacts.poolmember": {
        VIEWER: "view",
        INTEGRATION_ADMIN: "add change delete",
    },
    "contacts.merge": {
        VIEWER: "view",
        OPERATOR: "button:undo",
    },
    "contacts.candidatepair": {
        VIEWER: "view",
        OPERATOR: (
            "action:merge_selected action:distinct_selected action:postpone_selected action:assign_selected "
            "page:next page:merge_certain page:group page:merge page:distinct page:postpone page:skip "
            "page:claim page:release page:put-back"
        ),
    },
    "contacts.erasure": {
        VIEWER: "view",
    },
    "contacts.contact": {
        VIEWER: "view link:trace",
        OPERATOR: "change button:record_consent button:set_region page:import",
        INTEGRATION_ADMIN: "button:export_person button:erase action:export_selected page:export",
    },
    "bookings.conflict": {
        VIEWER: "view link:trace",
        OPERATOR: "button:move button:cancel button:leave button:ours button:theirs",
    },
    "bookings.payment": {
        VIEWER: "view",
    },
    "bookings.price": {
        VIEWER: "view",
        INTEGRATION_ADMIN: "add change delete",
    },
    "bookings.discrepancy": {
        VIEWER: "view",
        OPERATOR: "button:apply button:push button:dismiss",
    },
    "bookings.reconciliationrun": {
        VIEWER: "view page:progress",
        OPERATOR: "page:start",
    },
    "bookings.reservation": {
        VIEWER: "view",
    },
    "bookings.meeting": {
        VIEWER: (
            "view link:clock_changes link:trace page:of_invitation page:clock_changes page:find_trace page:traces_of "
            "page:trace"
        ),
        OPERATOR: "button:reconcile",
    },
    "bookings.trialbooking": {
        VIEWER: "view page:progress",
        INTEGRATION_ADMIN: "add button:send_again button:ask button:cancel",
    },
    "bookings.calendar": {
        VIEWER: "view",
        INTEGRATION_ADMIN: "change",
    },
}


def read_table() -> dict[tuple[str, str], str]:
    return {
        (model, thing): role
        for model, by_role in TABLE.items()
        for role, things in by_role.items()
        for thing in things.split()
    }


# --- What there is ----------------------------------------------------------------------------------------------------


def list_things() -> Iterator[tuple[str, str]]:
    """Every model's every page, button, link and action, as a superuser has them."""
    request = as_user(User(is_superuser=True, is_staff=True))
    for model, model_admin in admin.site._registry.items():
        yield from ((model._meta.label_lower, thing) for thing in list_things_of(model_admin, request))


def list_things_of(model_admin: Any, request: Any) -> Iterator[str]:
    yield from (verb for verb, may in model_admin.get_model_perms(request).items() if may)
    yield from (f"button:{button.name}" for button in find_buttons(model_admin))
    yield from (f"link:{link.name}" for link in find_links(model_admin))
    yield from (f"action:{name}" for name in model_admin.get_actions(request) if name != "delete_selected")
    yield from (f"page:{name}" for name in find_pages(model_admin))


def find_buttons(model_admin: Any) -> list[Any]:
    return list(getattr(model_admin, "buttons", ()))


def find_links(model_admin: Any) -> list[Any]:
    return model_admin.list_page_links() if hasattr(model_admin, "list_page_links") else []


def find_pages(model_admin: Any) -> list[str]:
    """The names of its pages beside Django's own and the buttons'."""
    known = STANDARD_PAGES | {button.name for button in find_buttons(model_admin)}
    names = [pattern.name.removeprefix(prefix_of(model_admin)) for pattern in model_admin.get_urls() if pattern.name]
    return [name for name in names if name not in known]


def prefix_of(model_admin: Any) -> str:
    return f"{model_admin.opts.app_label}_{model_admin.opts.model_name}_"


# --- Who may ----------------------------------------------------------------------------------------------------------


def as_user(user: User) -> Any:
    request: Any = RequestFactory().get("/")
    request.user = user
    request._messages = SimpleNamespace(add=lambda *args: None)
    return request


def make_user_with(name: str) -> User:
    user = User.objects.create_user("nora", is_staff=True)
    user.groups.add(Group.objects.get(name=name))
    return user


def may(user: User, model_admin: Any, thing: str) -> bool:
    kind, _, name = thing.partition(":")
    if kind == "button":
        return all(presses(user, model_admin, each) for each in find_buttons(model_admin) if each.name == name)
    if kind == "link":
        return all(user.has_perm(each.permission) for each in find_links(model_admin) if each.name == name)
    if kind == "action":
        return name in model_admin.get_actions(as_user(user))
    if kind == "page":
        return opens(user, model_admin, name)
    return bool(model_admin.get_model_perms(as_user(user))[kind])


def presses(user: User, model_admin: Any, button: Any) -> bool:
    """By the button's own page: one that fits no row answers those who may press it that it does not fit."""
    row = SimpleNamespace(_meta=model_admin.opts, pk=uuid7())
    model_admin.get_object = lambda request, object_id: row
    try:
        model_admin.press(as_user(user), "1", button=replace(button, fits=lambda row: False))
    except PermissionDenied:
        return False
    finally:
        del model_admin.get_object
    return True


def opens(user: User, model_admin: Any, name: str) -> bool:
    """Whether its address is not refused, of the connection or of a row that is not there."""
    client = Client()
    client.force_login(user)
    (pattern,) = [each for each in model_admin.get_urls() if each.name == f"{prefix_of(model_admin)}{name}"]
    connection = Connection.objects.get()
    key = connection.pk if model_admin.model is Connection else uuid7()
    arguments = dict.fromkeys(pattern.pattern.converters, key)
    return client.get(reverse(f"admin:{pattern.name}", kwargs=arguments)).status_code != 403


def test_the_table_knows_every_page_button_link_and_action() -> None:
    there = set(list_things())

    assert there - read_table().keys() == set(), "Say in TABLE who may."
    assert read_table().keys() - there == set(), "TABLE names what is not there."


@pytest.mark.parametrize("role", NAMES)
def test_each_role_may_do_what_the_table_says(role: str, calendar_live: Connection) -> None:
    user, allowed = make_user_with(role), LADDER[: LADDER.index(role) + 1]
    admins = {model._meta.label_lower: each for model, each in admin.site._registry.items()}
    wrong = [
        (model, thing)
        for (model, thing), lowest in read_table().items()
        if may(user, admins[model], thing) != (lowest in allowed)
    ]

    assert wrong == []


def test_a_viewer_opens_every_list_but_those_of_administrators(db: None) -> None:
    client = Client()
    client.force_login(make_user_with(VIEWER))
    refused = [
        model._meta.label_lower
        for model in admin.site._registry
        if client.get(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")).status_code == 403
    ]

    assert sorted(refused) == ["auth.group", "auth.user", "authtoken.tokenproxy", "integrations.signincount"]


def test_operators_see_no_part_of_a_users_password(db: None) -> None:
    client, user = Client(), make_user_with(OPERATOR)
    client.force_login(user)
    page = get_page(client, f"/admin/auth/user/{user.pk}/change/")

    assert "nora" in page
    assert "algorithm" not in page


# --- The groups -------------------------------------------------------------------------------------------------------


def read_group(name: str) -> set[str]:
    rows = Permission.objects.filter(group__name=name).select_related("content_type")
    return {f"{row.content_type.app_label}.{row.codename}" for row in rows}


def migrate_again() -> None:
    keep_roles(using="default")


def test_every_permission_of_the_table_exists_and_is_given_by_migrating(db: None) -> None:
    for role in ROLES:
        assert set(role.permissions) <= read_group(role.name)
        assert set(role.hidden).isdisjoint(read_group(role.name))


def test_every_permission_of_our_own_is_given_to_some_role(db: None) -> None:
    own = {
        f"{model._meta.app_label}.{codename}"
        for model in apps.get_models()
        if model._meta.app_label in ("bookings", "contacts", "integrations")
        for codename, _ in model._meta.permissions
    }

    assert own <= read_group(INTEGRATION_ADMIN)


def test_a_new_models_pages_are_seen_after_the_next_migration(db: None) -> None:
    kind = ContentType.objects.create(app_label="bookings", model="novelty")
    for verb in ("view", "change"):
        Permission.objects.create(content_type=kind, codename=f"{verb}_novelty", name=verb)
    migrate_again()

    assert "bookings.view_novelty" in read_group(VIEWER)
    assert "bookings.change_novelty" not in read_group(INTEGRATION_ADMIN)


def test_migrating_restores_the_roles_and_leaves_other_groups_alone(db: None) -> None:
    before, permission = read_group(VIEWER), Permission.objects.get(codename="erase_contact")
    Group.objects.get(name=VIEWER).permissions.add(permission)
    Group.objects.get(name=OPERATOR).delete()
    mine = Group.objects.create(name="Night shift")
    mine.permissions.add(permission)
    migrate_again()

    assert read_group(VIEWER) == before
    assert read_group(OPERATOR) > before
    assert read_group("Night shift") == {"contacts.erase_contact"}


def test_an_empty_database_has_no_groups_to_keep(db: None) -> None:
    keep_roles(apps=StateApps([], {}), using="default")


def test_a_role_is_neither_changed_nor_deleted_by_hand(admin_client: Client) -> None:
    role, mine = Group.objects.get(name=VIEWER), Group.objects.create(name="Night shift")
    selected = {"action": "delete_selected", "_selected_action": [role.pk], "post": "yes"}

    assert admin_client.post(f"/admin/auth/group/{role.pk}/change/", {"name": "Mine"}).status_code == 403
    assert admin_client.post(f"/admin/auth/group/{role.pk}/delete/", {"post": "yes"}).status_code == 403
    admin_client.post("/admin/auth/group/", selected)
    admin_client.post(f"/admin/auth/group/{mine.pk}/change/", {"name": "Late shift"})
    assert sorted(Group.objects.values_list("name", flat=True)) == sorted([*NAMES, "Late shift"])
