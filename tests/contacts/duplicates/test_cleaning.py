import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts.duplicates.companies import read_company
from contacts.duplicates.emails import Mailbox, read_mailbox
from contacts.duplicates.names import Name, find_initial, find_root, find_sound, read_name
from contacts.duplicates.phones import find_tail, read_phone
from contacts.duplicates.records import Record, clean
from contacts.normalisation import normalise_phone


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Jörg Müller", Name("jorg", family="muller")),
        ("MÜLLER, Dr. Jörg", Name("jorg", family="muller")),
        ("MÜLLER Jörg", Name("jorg", family="muller")),
        ("Juan García López", Name("juan", "garcia", family="lopez")),
        ("Rayan van der Heijden", Name("rayan", family="heijden")),
        ("van der Heijden, Rayan", Name("rayan", family="heijden")),
        ("Siobhán O'Neil Jr.", Name("siobhan", family="oneil")),
        ("Anna Schmidt (née Weber)", Name("anna", other="weber", family="schmidt")),
        ("Викторин Матвеев", Name("viktorin", family="matveev")),
        ("田中 裕樹", Name("yushu", family="tianzhong", is_han=True)),
        ("田中裕樹", Name("yushu", family="tianzhong", is_han=True)),
        ("王小明", Name("xiaoming", family="wang", is_han=True)),
        ("Молчанов, Я.", Name("y", family="molchanov")),
        ("Dr. Ben Jason Kelly", Name("ben", "jason", family="kelly")),
        ("  ", Name()),
    ],
)
def test_names_are_read(text, name):
    assert read_name(text) == name


def test_a_name_written_together_is_divided_as_in_its_country():
    assert read_name("三浦学", "JP") == read_name("三浦 学")
    assert read_name("三浦くみ子") == read_name("三浦 くみ子")


@pytest.mark.parametrize(("left", "right"), [("yakov", "iakov"), ("jakov", "i"), ("wladimir", "vladimir")])
def test_letters_of_one_sound_are_one_initial(left, right):
    assert find_initial(left) == find_initial(right)


@pytest.mark.parametrize(
    ("left", "right"), [("mueller", "muller"), ("yuliya", "iuliia"), ("schmidt", "shmidt"), ("philipp", "filip")]
)
def test_spellings_of_one_name_have_one_sound(left, right):
    assert find_sound(left) == find_sound(right)


def test_a_nickname_is_looked_up_by_its_name():
    assert find_root("bill") == find_root("william")


@pytest.mark.parametrize(
    ("text", "company"),
    [
        ("Müller & Söhne GmbH & Co. KG", "muller sohne"),
        ("Puig Inmobiliaria S.A.", "puig inmobiliaria"),
        ("Halama Solutions sp. z o.o.", "halama solutions"),
        ("Марков Системы, ООО", "markov sistemy"),
        ("Agro S.A. de C.V.", "agro"),
        ("株式会社 Tanaka", "tanaka"),
        ("SA", "sa"),
    ],
)
def test_companies_lose_their_legal_form(text, company):
    assert read_company(text) == company


@pytest.mark.parametrize(
    ("text", "mailbox"),
    [
        ("Ann.Lee+news@GoogleMail.com", Mailbox("annlee", "gmail.com")),
        ("ann.lee@gmial.com", Mailbox("annlee", "gmail.com")),
        ("ann@mail.example.co.uk", Mailbox("ann", "mail.example.co.uk", "example")),
        ("info@example.com", Mailbox("", "example.com", "example")),
        ("no address", Mailbox()),
    ],
)
def test_mailboxes_are_read(text, mailbox):
    assert read_mailbox(text) == mailbox


@pytest.mark.parametrize(
    ("text", "country", "phone"),
    [
        ("+44 (0)7903540862", "GB", "+447903540862"),
        ("07903 540862", "GB", "+447903540862"),
        ("8 (920) 606-16-62", "RU", "+79206061662"),
        ("16497858087", "US", "+16497858087"),
        ("(301) 546 8618 ext. 774", "US", "+13015468618"),
        ("02 9381 0655", "IT", "+390293810655"),
        ("0049 151 84287396", "", "+4915184287396"),
        ("0151 84287396", "", "15184287396"),
        ("12", "US", ""),
        ("", "US", ""),
    ],
)
def test_phones_are_read(text, country, phone):
    assert read_phone(text, country) == phone


@given(st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)), st.sampled_from(["NATIONAL", "INTERNATIONAL", "E164"]))
def test_numbers_in_use_end_as_the_slow_way_says(region, form):
    number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    if number is None:
        return
    text = phonenumbers.format_number(number, getattr(phonenumbers.PhoneNumberFormat, form))
    slow = normalise_phone(text, region)
    assert slow is not None
    if len(slow) > 9:
        assert find_tail(read_phone(text, region)) == find_tail(slow)


@given(*[st.text(max_size=30)] * 5)
def test_whatever_was_typed_can_be_cleaned(name, company, email, phone, country):
    cleaned = clean(Record("1", name, company, email, phone, country))
    assert cleaned.given.isascii()
    assert cleaned.phone.lstrip("+").isdigit() or not cleaned.phone


def test_a_name_that_is_missing_is_read_from_the_mailbox():
    cleaned = clean(Record("1", email="anouk.buijs@example.nl"))
    assert (cleaned.given, cleaned.family, cleaned.spelt) == ("anouk", "buijs", "1")


@pytest.mark.parametrize(
    "email", ["adam.smith@gmail.com", "adamsmith3@gmail.com", "michael.smith@gmail.com", "a_smith@x.com"]
)
def test_an_address_that_only_spells_the_name_is_known(email):
    given = "Mike" if "michael" in email else "Adam"
    assert clean(Record("1", f"{given} Smith", email=email)).spelt


@pytest.mark.parametrize("email", ["asmith1981@gmail.com", "sunflower@gmail.com"])
def test_an_address_that_says_more_than_the_name_is_known(email):
    assert not clean(Record("1", "Adam Smith", email=email)).spelt
