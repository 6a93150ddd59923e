"""The launch checklist's pages: how items stand, what proves them, and signing."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection as database
from django.test import Client
from django.utils import timezone

from integrations.models import ChecklistItem, CheckResult, CheckSignature
from integrations.operations import checklist
from integrations.operations.checklist import Item, check, failed, passed, sign
from tests.integrations.admin.support import get_page, press, read_log, read_messages, sign_in
from tests.integrations.checklist.support import declared

PAGE = "/admin/integrations/checklistitem/"
VIEW, CHECK, SIGN = (f"integrations.{verb}_checklistitem" for verb in ("view", "check", "sign"))


@pytest.fixture
def proved(db: None) -> Iterator[Item]:
    """The only item, which passes."""
    with declared("proved", alone=True) as item:
        yield item


@pytest.fixture
def signable(proved: Item) -> Iterator[Item]:
    """A second one, which waits for a signature."""
    with declared("signable", attests=lambda: 1) as item:
        check(item)
        yield item


def row_of(item: Item) -> ChecklistItem:
    checklist.ensure_rows()
    return ChecklistItem.objects.get(pk=item.name)


def test_a_checklist_that_passes_is_green(proved: Item, admin_client: Client) -> None:
    check(proved)
    page = get_page(admin_client, PAGE)
    assert "overview-good" in page
    assert "All 1 items pass." in page
    assert "It is so." in page
    assert "UTC" in page


def test_a_new_checklist_says_what_to_do_first(proved: Item, admin_client: Client) -> None:
    page = get_page(admin_client, PAGE)
    assert "1 of 1 items is open." in page
    assert "First: Title of proved. Check it" in page
    assert "Not checked yet" in page


def test_what_has_failed_stands_first_with_what_to_do_and_where(signable: Item, admin_client: Client) -> None:
    check(checklist.get_item("proved"))
    with declared(
        "broken", probe=lambda now: failed("It is not.", advice="Mend it.", address="/admin/auth/user/")
    ) as item:
        check(item)
        page = get_page(admin_client, PAGE)
    assert "overview-bad" in page
    assert "2 of 3 items are open." in page
    assert "First: Title of broken. Mend it." in page
    assert '<a href="/admin/auth/user/"' in page


def test_an_item_is_checked_by_its_button(proved: Item, admin_client: Client, admin_user: User) -> None:
    page = press(admin_client, row_of(proved), "check")
    assert "Passed: It is so." in read_messages(page)
    assert CheckResult.objects.get().checked_by == admin_user
    assert read_log(row_of(proved)) == [("admin", "Checked")]


def test_looking_at_the_confirmation_checks_nothing(proved: Item, admin_client: Client) -> None:
    row_of(proved)
    assert "leaves nothing behind" in get_page(admin_client, f"{PAGE}proved/check/")
    assert "leave nothing behind" in get_page(admin_client, f"{PAGE}check-all/")
    assert not CheckResult.objects.exists()


def test_all_are_checked_at_once(signable: Item, admin_client: Client) -> None:
    response = admin_client.post(f"{PAGE}check-all/", follow=True)
    assert "All are checked: 1 open." in read_messages(response)
    assert set(CheckResult.objects.values_list("item", flat=True)) == {"proved", "signable"}


def test_a_person_signs_with_a_note(signable: Item, admin_client: Client, admin_user: User) -> None:
    page = get_page(admin_client, f"{PAGE}signable/sign/")
    assert "Your name stands for what no program can know." in page
    assert "It is so." in page
    assert "It is signed, until" in read_messages(press(admin_client, row_of(signable), "sign", note="Looked at it."))
    signature = CheckSignature.objects.get()
    assert (signature.signed_by, signature.note) == (admin_user, "Looked at it.")
    page = get_page(admin_client, f"{PAGE}signable/change/")
    assert "Looked at it." in page
    assert "admin, just now" in page
    assert read_log(row_of(signable)) == [("admin", "Signed")]


def test_nobody_signs_without_a_note(signable: Item, admin_client: Client) -> None:
    press(admin_client, row_of(signable), "sign", note=" ")
    assert not CheckSignature.objects.exists()


def test_what_has_failed_meanwhile_is_not_signed(admin_client: Client, db: None) -> None:
    found = [passed("It is so.")]
    with declared(probe=lambda now: found[0], attests=lambda: 1) as item:
        check(item)
        found[0] = failed("It is not.", advice="Mend it.")
        assert "There is nothing to sign" in read_messages(press(admin_client, row_of(item), "sign", note="Yes."))
    assert not CheckSignature.objects.exists()


def test_what_a_probe_proves_has_nothing_to_sign(proved: Item, admin_client: Client) -> None:
    check(proved)
    assert "does not fit" in read_messages(press(admin_client, row_of(proved), "sign", note="Yes."))
    assert "nobody signs it" in get_page(admin_client, f"{PAGE}proved/change/")


def test_a_notes_text_is_encrypted(signable: Item, admin_user: User) -> None:
    sign(signable, admin_user, "Agreed with Zoë Okafor.")
    with database.cursor() as cursor:
        cursor.execute("SELECT note FROM integrations_checksignature")
        [stored] = cursor.fetchone()
    assert b"Okafor" not in bytes(stored)


def test_an_items_page_shows_what_was_found_and_when(proved: Item, admin_client: Client) -> None:
    check(proved)
    page = get_page(admin_client, f"{PAGE}proved/change/")
    assert "History of its checks" in page
    assert "The schedule or the shell" in page


def test_what_is_not_declared_any_more_is_not_shown(proved: Item, admin_client: Client) -> None:
    ChecklistItem.objects.create(name="older", title="Older")
    assert "Older" not in get_page(admin_client, PAGE)
    assert admin_client.get(f"{PAGE}older/change/").status_code == 302


def test_a_viewer_sees_the_checklist_and_no_buttons(signable: Item) -> None:
    client = sign_in(VIEW)
    page = get_page(client, PAGE)
    assert "Title of signable" in page
    assert "/check/" not in page
    assert "check-all" not in page
    assert "/sign/" not in page
    for address in ("signable/check/", "signable/sign/", "check-all/"):
        assert client.post(f"{PAGE}{address}", {"note": "Yes."}).status_code == 403


def test_an_operator_checks_and_does_not_sign(signable: Item) -> None:
    client = sign_in(VIEW, CHECK)
    assert client.post(f"{PAGE}signable/check/").status_code == 302
    assert client.post(f"{PAGE}signable/sign/", {"note": "Yes."}).status_code == 403


def test_an_integration_admin_signs(signable: Item) -> None:
    client = sign_in(VIEW, SIGN)
    assert client.post(f"{PAGE}signable/sign/", {"note": "Yes."}).status_code == 302
    assert CheckSignature.objects.get().signed_at <= timezone.now()


def test_the_page_of_all_items_takes_few_queries(admin_client: Client, django_assert_max_num_queries: Any) -> None:
    checklist.ensure_rows()
    for item in checklist.list_items():
        CheckResult.objects.create(
            item_id=item.name, status="passed", lines=["It is so."], found_at=timezone.now(),
            checked_at=timezone.now(), expires_at=timezone.now() + checklist.DAY,
        )  # fmt: skip
    with django_assert_max_num_queries(8):
        get_page(admin_client, PAGE)
