"""All contacts compared: what is written, what is not written again, and what a stopped run leaves to the next."""

import json
import os
from io import StringIO

import psycopg
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection as database
from django.utils import timezone

from contacts.detection import full
from contacts.detection.changes import note_changes
from contacts.detection.comparing import compare_batch
from contacts.detection.locks import RUN
from contacts.models import BlockingKeys, CandidatePair, Census, Contact, ContactChange, DuplicateRun
from integrations.exceptions import StateError
from integrations.management.base import UsageError
from tests.contacts.detection.crowds import add, add_crowd, compare_all, find_clusters, find_pair, read_pairs

pytestmark = pytest.mark.django_db

ZEB = ("Zebulon Quackenbush", "Marmalade & Sons", "zeb@quackenbush.example", "+12125550101", "US")


@pytest.fixture(autouse=True)
def _stay_as_nice_as_before(monkeypatch):
    monkeypatch.setattr(os, "nice", lambda more: 0)


class StoppedError(Exception):
    """A run that dies here."""


def stop_at(step, number):
    """A report that raises when it is told for so many times of this step."""
    told = []

    def report(now, done, total):
        told.extend([now] if now == step else [])
        if len(told) == number:
            raise StoppedError

    return report


def run_command(*arguments):
    out = StringIO()
    call_command("find_duplicates", *arguments, "--workers", "0", "--json", stdout=out, stderr=StringIO())
    return json.loads(out.getvalue())


# --- What it finds ----------------------------------------------------------------------------------------------------


def test_who_is_probably_one_person_has_an_open_pair():
    add_crowd(200)
    one, other, third = add(*ZEB), add("Zeb Quackenbush", *ZEB[1:]), add("Z. Quackenbush", *ZEB[1:3])
    found = compare_all()
    pairs = read_pairs()
    assert (find_pair(one, other).status, find_pair(one, other).reason) == ("open", "similar")
    assert find_pair(one, other).probability > 0.95
    assert len(pairs) == found.certain + found.review
    clusters = {first: cluster for (first, _), (*_, cluster) in pairs.items()}
    groups = find_clusters(pairs)
    assert {one.pk, other.pk, third.pk} in groups
    assert all(clusters[first] == min(group) for group in groups for first in group & clusters.keys())


def test_contact_with_several_addresses_is_no_duplicate_of_itself():
    add_crowd(100)
    many = add(ZEB[0], emails=["zq@gmail.com", ZEB[2], "office@hartwell.example"], phones=[ZEB[3], "+12125550188"])
    other = add("Z. Quackenbush", emails=["quack@web.example", ZEB[2]], phones="+12125550188")
    found = compare_all()
    pair = find_pair(many, other)
    assert pair.evidence["email"] > 5
    assert pair.evidence["phone"] > 2
    assert found.contacts == 102
    assert not CandidatePair.objects.filter(first=many, second=many).exists()


def test_who_was_merged_or_erased_is_left_out_and_his_keys_go():
    one, other, third = (add(*ZEB) for _ in range(3))
    compare_all()
    Contact.objects.filter(pk=other.pk).update(merged_into=one)
    Contact.objects.filter(pk=third.pk).update(erased_at=timezone.now())
    assert compare_all().contacts == 1
    assert [keys.contact for keys in BlockingKeys.objects.all()] == [one]


def test_contact_that_cannot_be_read_is_counted_and_left_as_it_is(settings):
    other = [add(*ZEB), add(*ZEB)][1]
    compare_all()
    before, keys = read_pairs(), BlockingKeys.objects.get(contact=other).keys
    settings.FIELD_ENCRYPTION_KEYS = {"k2": b"2" * 32, **settings.FIELD_ENCRYPTION_KEYS}
    Contact.objects.filter(pk=other.pk).update(full_name="Mehitabel Crabtree")
    del settings.FIELD_ENCRYPTION_KEYS["k2"]
    found = compare_all()
    assert (found.contacts, found.unreadable) == (1, 1)
    assert (read_pairs(), BlockingKeys.objects.get(contact=other).keys) == (before, keys)


def test_pair_that_an_upsert_made_gets_a_score_and_a_decision_holds():
    add_crowd(100)
    ann, zed = sorted([add("Ann Lee"), add("Zed Zip", "Acme")], key=lambda contact: contact.pk)
    made = CandidatePair.objects.create(first=ann, second=zed, reason="email_held")
    one, other = add(*ZEB), add(*ZEB)
    decided = CandidatePair.objects.create(first=one, second=other, reason="similar", status="distinct")
    compare_all()
    for pair in (made, decided):
        pair.refresh_from_db()
    assert (made.status, made.verdict, made.cluster) == ("open", "distinct", ann.pk)
    assert (decided.status, decided.cluster) == ("distinct", None)
    assert decided.probability > 0.9
    assert decided.decided_on["name"]


# --- What is not written again ----------------------------------------------------------------------------------------


def test_second_run_writes_nothing():
    add_crowd(200)
    first = run_command()
    before = read_pairs("id", "compared_at", "probability", "cluster")
    second = run_command()
    assert first["opened"] == len(before) > 20
    assert first["keys_written"] == 200
    assert [second[name] for name in ("opened", "rescored", "reopened", "closed", "keys_written")] == [0] * 5
    assert read_pairs("id", "compared_at", "probability", "cluster") == before


def test_dry_run_tells_the_same_and_writes_nothing():
    add_crowd(200)
    looked = run_command("--dry-run")
    assert not any(model.objects.exists() for model in (BlockingKeys, CandidatePair, Census, DuplicateRun))
    done = run_command()
    assert {name: done[name] for name in looked if name != "seconds"} == {
        name: value for name, value in looked.items() if name != "seconds"
    }


@pytest.mark.parametrize(("step", "number"), [("contacts", 1), ("comparing", 1), ("pairs", 2), ("clusters", 1)])
def test_stopped_run_goes_on_and_ends_as_if_it_had_not_been_stopped(step, number):
    add_crowd(200)
    pair = sorted([add("Ann Lee"), add("Zed Zip", "Acme")], key=lambda contact: contact.pk)
    CandidatePair.objects.create(first=pair[0], second=pair[1], reason="email_held")
    with pytest.raises(StoppedError):
        full.run(workers=0, batch=7, report=stop_at(step, number))
    written = read_pairs("id", "compared_at")
    compare_all(batch=7)
    resumed, ids = read_pairs(), read_pairs("id", "compared_at")
    assert {pair: values for pair, values in ids.items() if written.get(pair, (0, 0))[1]}.items() >= {
        pair: values for pair, values in written.items() if values[1]
    }.items()
    run = DuplicateRun.objects.get()
    assert (run.phase, run.opened) == ("done", len(resumed) - 1)
    CandidatePair.objects.filter(reason="similar").delete()
    DuplicateRun.objects.all().delete()
    compare_all()
    assert read_pairs() == resumed


# --- What happens meanwhile -------------------------------------------------------------------------------------------


def test_contact_that_changes_meanwhile_keeps_what_its_own_comparison_said():
    add_crowd(100)
    one, other = add(*ZEB), add(*ZEB)
    compare_all()
    CandidatePair.objects.all().delete()

    def change(step, done, total):
        if step == "comparing":
            other.identifiers.all().delete()
            other.full_name, other.company = "Mehitabel Crabtree", ""
            other.save()
            note_changes([other.pk])
            assert compare_batch()

    full.run(workers=0, report=change)
    assert find_pair(one, other) is None
    # It may have missed somebody whose keys were not there yet.
    assert [change.contact for change in ContactChange.objects.all()] == [other]


def test_contact_that_is_merged_meanwhile_gets_no_pair():
    add_crowd(100)
    one, other = add(*ZEB), add(*ZEB)
    full.run(
        workers=0,
        report=lambda step, done, total: Contact.objects.filter(pk=other.pk).update(
            merged_into=one if step == "comparing" else None
        ),
    )
    assert find_pair(one, other) is None


def test_run_stands_for_all_changes_before_it():
    note_changes([contact.pk for contact in add_crowd(20)])
    compare_all()
    assert not ContactChange.objects.exists()


def test_one_process_at_a_time():
    with psycopg.connect(**database.get_connection_params() | {"cursor_factory": None}) as elsewhere:
        elsewhere.execute("SELECT pg_advisory_lock(%s, %s)", RUN)
        assert not full.is_wanted()
        with pytest.raises(StateError, match="another process"):
            compare_all()
        with pytest.raises(CommandError):
            run_command()


# --- The command ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["--batch", "0"], ["--workers", "-1"]])
def test_wrong_words_are_wrong_usage(words):
    with pytest.raises(UsageError):
        call_command("find_duplicates", *words)


def test_tells_people_what_it_has_done():
    add_crowd(100)
    for _ in range(2):
        add(*ZEB)
    out = StringIO()
    call_command("find_duplicates", "--workers", "0", stdout=out, stderr=(bar := StringIO()))
    assert "102 contacts" in out.getvalue()
    assert "pairs were opened" in out.getvalue()
    assert "102 of 102" in bar.getvalue()


def test_number_of_queries_goes_by_batches_and_not_by_pairs(django_assert_max_num_queries):
    add_crowd(300)
    with django_assert_max_num_queries(60):
        compare_all()


# --- When all are compared by themselves ------------------------------------------------------------------------------


def test_wanted_once_there_is_somebody_and_no_more_once_it_is_done():
    assert not full.is_wanted()
    add(*ZEB)
    assert full.is_wanted()
    compare_all()
    assert not full.is_wanted()


@pytest.mark.parametrize(("changed", "is_wanted"), [(50, False), (51, True)])
def test_wanted_once_half_of_them_have_changed(changed, is_wanted):
    add_crowd(100)
    compare_all()
    Census.objects.update(changed=changed)
    assert full.is_wanted() == is_wanted


def test_wanted_after_a_day():
    add(*ZEB)
    compare_all()
    Census.objects.update(counted_at=timezone.now() - full.LONGEST)
    assert full.is_wanted()


def test_run_that_was_left_is_wanted_after_an_hour():
    add(*ZEB)
    run = DuplicateRun.objects.create()
    assert not full.is_wanted()
    DuplicateRun.objects.filter(pk=run.pk).update(updated_at=timezone.now() - full.LEFT_AFTER)
    assert full.is_wanted()
