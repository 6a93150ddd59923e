"""What a file holds stands in clear neither in the database nor in the log, while it is imported and after that."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from contacts import jobs
from contacts.models import Contact, ImportRow, ImportRun
from tests.leaks import find_in, fold, read_database, reading_log

pytestmark = pytest.mark.django_db

FILE = """full_name,email,phone,company,notes,Quillfeather
Zoë Okafor,zoe.okafor@example.com,06 12 34 56 78,Marmalade & Daughters,Prefers Portuguese,x
Lea Martin,lea at acme,,Marmalade & Daughters,,y
Zoë Okafor,zoe@okafor.example,,Marmalade & Daughters,,z
"""
NEEDLES = {
    *re.findall(r"[\w.@]{4,}", FILE.split("\n", 1)[1]),
    "Quillfeather",
    "+33612345678",
    "33612345678",
    "lea at acme",
    "Zoë",
}


def find_leaks() -> dict[str, set[str]]:
    found = {table: find_in(fold(content), NEEDLES) for table, content in read_database().items()}
    return {table: leaked for table, leaked in found.items() if leaked}


def test_nothing_of_a_file_stands_in_clear(admin_client: Client) -> None:
    with reading_log() as log:
        for kind in ({"is_dry_run": "on"}, {}):
            file = SimpleUploadedFile("people.csv", FILE.encode())
            admin_client.post("/admin/contacts/contact/import/", {"file": file, "default_region": "FR", **kind})
            assert find_leaks() == {}
            run = ImportRun.objects.latest("id")
            jobs.import_slice(str(run.pk))
            assert find_leaks() == {}
            admin_client.get(f"/admin/contacts/importrun/{run.pk}/change/")
            admin_client.get(f"/admin/contacts/importrun/{run.pk}/refused/")
        admin_client.post("/admin/contacts/contact/export/?q=zoe.okafor@example.com").getvalue()
        assert find_leaks() == {}
        lines = log.getvalue()

    assert Contact.objects.count() == 2
    assert set(ImportRow.objects.values_list("outcome", flat=True)) == {"refused", "for_review"}
    assert find_in(fold(lines.encode()), NEEDLES) == set()
