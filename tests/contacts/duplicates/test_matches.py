"""Who is one person and who is not, among contacts that make names and values as frequent as they are in life."""

from itertools import combinations

import numpy as np
import pytest

from contacts.duplicates.blocking import find_candidates, list_blocking_keys
from contacts.duplicates.columns import Columns
from contacts.duplicates.explanations import explain
from contacts.duplicates.frequencies import Frequencies
from contacts.duplicates.matches import find_matches
from contacts.duplicates.name_evidence import Pairs
from contacts.duplicates.population import Population
from contacts.duplicates.records import Record, clean
from contacts.duplicates.scoring import Prior, Verdict, weigh
from tests.benchmarks.people import make_rows


def clean_rows(rows):
    return [clean(Record(*row[:6])) for row in rows]


@pytest.fixture(scope="module")
def rows():
    return make_rows("world", 3000, 5)


@pytest.fixture(scope="module")
def crowd(rows):
    return clean_rows(rows)


@pytest.fixture(scope="module")
def population(crowd):
    return Population.count(Columns.read(crowd))


def make(*values):
    return clean(Record("x", *values))


ONE_PERSON = {
    "nickname": (
        ("Bill Ashbeck", "Hartwell Inc.", "", "+12125550101", "US"),
        ("William Ashbeck", "", "", "2125550101", "US"),
    ),
    "order": (("Zölk, Käthe", "", "kzoelk@zoelk.de", "", "DE"), ("Kaethe Zoelk", "", "kzoelk@zoelk.de", "", "DE")),
    "script": (("Ірина Хомук", "", "irka77@ukr.net", "", "UA"), ("Iryna Khomuk", "", "irka77@ukr.net", "", "UA")),
    "initial": (
        ("N. Fjellvik", "Sandnes ApS", "", "+4531223344", "DK"),
        ("Nora Fjellvik", "Sandnes", "", "31223344", "DK"),
    ),
    "married": (
        ("Rosa Quinoya", "", "rosa.q81@gmail.com", "+573011234567", "CO"),
        ("Rosa Vildia", "", "rosa.q81@gmail.com", "3011234567", "CO"),
    ),
    "typing error": (
        ("Henriette Poelveen", "Kolkburg BV", "hpoelveen@kolkburg.nl", "", "NL"),
        ("Henirette Poelveen", "Kolkburg", "hpoelveen@kolkburg.nl", "", "NL"),
    ),
    "no name": (
        ("", "", "carlaquimby@gmail.com", "+12125550144", "US"),
        ("Carla Quimby", "", "carlaquimby@gmail.com", "", "US"),
    ),
    "an address that spells the former name": (
        ("A. Rudolph", "", "amaliavoss@t-online.de", "", "DE"),
        ("Amalia Voss", "", "amaliavoss@t-online.de", "", "DE"),
    ),
    "a digit wrong, without a country": (
        ("Jonathan Ballardine", "", "", "0016077996592", ""),
        ("Jonathan Ballardine", "", "", "1 607 799 0592", "US"),
    ),
}  # fmt: skip
TWO_PEOPLE = {
    "household": (
        ("John Langford", "", "langfords@gmail.com", "+12125550123", "US"),
        ("Margaret Langford", "", "langfords@gmail.com", "+12125550123", "US"),
    ),
    "switchboard": (
        ("Ole Hansen", "Fjelldal AS", "", "+4722334455", "NO"),
        ("Mette Berg", "Fjelldal AS", "", "+4722334455", "NO"),
    ),
    "role mailbox": (
        ("Ole Hansen", "Fjelldal AS", "info@fjelldal.no", "", "NO"),
        ("Ingrid Hansen", "Fjelldal AS", "info@fjelldal.no", "", "NO"),
    ),
    "namesakes": (("James Smith", "", "", "", "US"), ("James Smith", "", "", "", "US")),
    "namesakes of two companies": (
        ("Maria Jansen", "Kolkburg BV", "maria@kolkburg.nl", "+31612345678", "NL"),
        ("Maria Jansen", "Eijdam Zorg", "maria@eijdamzorg.nl", "+31698765432", "NL"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ONE_PERSON)
def test_one_person_is_found(case, crowd):
    pair = [make(*values) for values in ONE_PERSON[case]]
    population = Population.count(Columns.read([*crowd, *pair]))
    assert explain(*pair, population).verdict != Verdict.DISTINCT


@pytest.mark.parametrize("case", TWO_PEOPLE)
def test_two_people_stay_two(case, crowd):
    pair = [make(*values) for values in TWO_PEOPLE[case]]
    population = Population.count(Columns.read([*crowd, *pair]))
    assert explain(*pair, population).verdict == Verdict.DISTINCT


def test_a_rare_name_says_more_than_a_frequent_one(population):
    rare, frequent = ("Zebulon Quackenbush", "", "", "", "US"), ("James Smith", "", "", "", "US")
    scores = [explain(make(*values), make(*values), population).fields["name"] for values in (rare, frequent)]
    assert scores[0] > scores[1] + 3


def test_what_is_not_known_of_both_has_no_score(population):
    score = explain(make("Ann Lee", "Acme", "", "", ""), make("Ann Lee", "", "", "+12125550199", ""), population)
    assert score.fields["company"] is score.fields["email"] is score.fields["phone"] is None


def test_a_pair_is_weighed_as_all_are(crowd, population):
    columns = Columns.read(crowd)
    candidates = find_candidates(columns)[::40]
    left, right = np.divmod(candidates, len(columns))
    evidence = weigh(Pairs(columns, Frequencies.count(columns), left, right))
    prior = Prior.expect(len(columns))
    probabilities, _ = prior.find_probabilities(evidence)
    for place, (one, other) in enumerate(zip(left, right, strict=True)):
        score = explain(crowd[one], crowd[other], population)
        assert score.probability == pytest.approx(probabilities[place], rel=1e-6)
        for name, bits in score.fields.items():
            assert (
                np.isnan(evidence.fields[name][place])
                if bits is None
                else bits == pytest.approx(evidence.fields[name][place])
            )


def test_the_score_is_the_same_both_ways(crowd):
    columns = Columns.read(crowd)
    left, right = np.divmod(find_candidates(columns), len(columns))
    frequencies = Frequencies.count(columns)
    one, other = (weigh(Pairs(columns, frequencies, *sides)) for sides in ((left, right), (right, left)))
    np.testing.assert_allclose(one.same, other.same)
    np.testing.assert_allclose(one.household, other.household)


def test_pairs_share_a_block_exactly_where_they_share_a_key(crowd):
    few = crowd[:300]
    columns = Columns.read(few)
    keys = [set(list_blocking_keys(contact)) for contact in few]
    expected = {one * 300 + other for one, other in combinations(range(300), 2) if keys[one] & keys[other]}
    # Large blocks are divided: what is compared shares a key, and small blocks are whole.
    found = set(find_candidates(columns).tolist())
    assert found <= expected
    assert len(found) > 0.7 * len(expected)


def list_groups(contacts, order):
    groups = find_matches(Columns.read([contacts[row] for row in order])).groups
    found = {}
    for place, group in enumerate(groups.tolist()):
        found.setdefault(group, set()).add(order[place])
    return {frozenset(members) for members in found.values()}


def test_the_order_of_rows_does_not_matter(crowd):
    few = crowd[:1200]
    straight, backwards = (list_groups(few, order) for order in (range(1200), range(1199, -1, -1)))
    assert len(straight ^ backwards) <= 4


def test_a_cluster_does_not_join_a_household_through_an_initial(crowd):
    people = [
        make("John Langford", "", "", "+12125550123", "US"),
        make("J. Langford", "", "", "+12125550123", "US"),
        make("Julia Langford", "", "", "+12125550123", "US"),
    ]
    groups = find_matches(Columns.read([*crowd, *people])).groups[-3:]
    assert groups[0] != groups[2]


def count_pairs(sizes):
    return sum(size * (size - 1) // 2 for size in sizes)


@pytest.mark.parametrize(("mix", "least"), [("world", 0.90), ("latin", 0.91), ("lowlands", 0.88), ("indian", 0.92)])
def test_people_of_other_origin_are_told_apart(mix, least):
    rows = make_rows(mix, 6000, 3)
    matches = find_matches(Columns.read(clean_rows(rows)))
    truth = np.unique([row[6] for row in rows], return_inverse=True)[1]
    sizes, found = np.bincount(truth), np.bincount(matches.groups)
    both = np.unique(truth * len(rows) + matches.groups, return_counts=True)[1]
    f1 = 2 * count_pairs(both) / (count_pairs(sizes) + count_pairs(found))
    is_true = truth[matches.left] == truth[matches.right]
    assert f1 > least
    assert matches.is_certain.sum() > 100
    assert is_true[matches.is_certain].mean() > 0.997


def test_a_file_without_duplicates_gives_almost_none():
    matches = find_matches(Columns.read(clean_rows(make_rows("clean", 6000, 3))))
    assert matches.list_verdicts().count(Verdict.CERTAIN) == 0
    assert matches.list_verdicts().count(Verdict.REVIEW) < 10


@pytest.mark.parametrize("count", [0, 1, 2, 100])
def test_few_or_equal_contacts_are_no_problem(count):
    contacts = [make("Zebulon Quackenbush", "Acme", "zeb@acme.com", "+12125550199", "US")] * count
    matches = find_matches(Columns.read(contacts))
    assert len(set(matches.groups.tolist())) <= max(1, count // 20)


# --- Contacts with several rows ---------------------------------------------------------------------------------------


def find_with_owners(contacts):
    """Pairs of contacts, each of which is a list of rows."""
    starts = np.cumsum([0, *map(len, contacts)])[:-1]
    columns = Columns.read(row for rows in contacts for row in rows)
    found = find_matches(columns, np.repeat(starts, list(map(len, contacts))))
    places = {int(start): place for place, start in enumerate(starts)}
    return {
        (places[left], places[right]): bits
        for left, right, bits, probability in zip(
            found.left.tolist(), found.right.tolist(), found.evidence.fields["email"], found.probability, strict=True
        )
        if probability > 0.5
    }


def test_of_two_contacts_with_several_rows_the_best_pair_counts_and_none_with_itself(crowd):
    def read(name, *emails):
        return [make(name, "", email, "", "") for email in emails]

    one = read("Zebulon Quackenbush", "zq@gmail.com", "zeb@quackenbush.example", "office@hartwell.example")
    other = read("Z. Quackenbush", "quack@web.example", "zeb@quackenbush.example")
    found = find_with_owners([one, *([row] for row in crowd), other])
    assert found[0, len(crowd) + 1] > 5
    assert all(left != right for left, right in found)


def test_one_row_for_each_contact_gives_what_no_owners_give(crowd):
    columns = Columns.read(crowd)
    plain, owned = find_matches(columns), find_matches(columns, np.arange(len(crowd)))
    assert (plain.left.tolist(), plain.right.tolist()) == (owned.left.tolist(), owned.right.tolist())
    assert plain.probability == pytest.approx(owned.probability)


def test_few_contacts_are_taken_for_more():
    twins = [make("Zebulon Quackenbush", "", "zeb@quackenbush.example", "", "US") for _ in range(2)]
    columns = Columns.read(twins)
    few, more = find_matches(columns), find_matches(columns, least=1000)
    assert more.evidence.fields["name"][0] > few.evidence.fields["name"][0] + 3
    assert more.evidence.fields["email"][0] > few.evidence.fields["email"][0] + 3
    assert more.probability[0] > 0.8


# --- Crowds -----------------------------------------------------------------------------------------------------------


def make_crowd(count, write):
    return [make(*write(number)) for number in range(count)]


STARTS = ("An", "Bel", "Cor", "Dun", "Er", "Fal", "Gor", "Hil", "Il", "Kor")
ENDS = ("a", "do", "el", "in", "mo", "ra", "son", "ton", "us", "y")


def name_one(number):
    return f"{STARTS[number % 10]}{ENDS[number // 7 % 10]} {STARTS[number // 3 % 10]}{ENDS[number // 11 % 10]}"


CROWDS = {
    "one phone": lambda number: (name_one(number), "", "", "+12125550199", "US"),
    "one mailbox": lambda number: (name_one(number), "", "all@gmail.com", "", "US"),
    "a role's mailbox": lambda number: (name_one(number), "Acme", "info@acme.com", "", "US"),
    "one name": lambda number: ("Anna Lopez", "", f"u{number}@site{number % 77}.com", "", "US"),
    "one given name": lambda number: ("Anna", "", "", "", ""),
    "nothing": lambda number: ("", "", "", "", ""),
}


@pytest.mark.parametrize("case", CROWDS)
def test_what_a_crowd_has_in_common_proves_nothing(case):
    matches = find_matches(Columns.read(make_crowd(3000, CROWDS[case])))
    assert len(set(matches.groups.tolist())) == 3000
    assert matches.compared < 3000 * 20


def test_a_thousand_equal_contacts_are_one_person():
    both = [("Anna Lopez", "Acme", "anna@acme.com", "+12125550123", "US"), ("Ben Kuhn", "", "ben@kuhn.de", "", "DE")]
    matches = find_matches(Columns.read(make_crowd(2000, lambda number: both[number % 2])))
    assert len(set(matches.groups.tolist())) == 2
    assert matches.compared < 2000 * 10


def test_it_is_learnt_from_the_file_how_often_values_differ():
    rows = make_rows("world", 3000, 5)
    with_one_phone_each = {row[6]: row[4] for row in rows if row[4]}
    same = [(*row[:4], with_one_phone_each.get(row[6], ""), row[5]) for row in rows]
    parts = [find_matches(Columns.read(clean_rows(each))).prior.differ["phone"] for each in (rows, same)]
    assert parts[1] < 0.05 < parts[0]


def test_namesakes_of_one_country_are_two_people_where_people_keep_their_addresses(crowd):
    """The same pair where nothing is known of how often addresses differ, and where they seldom do."""
    pair = [make("Mette Ravnkilde", "", f"{local}@gmail.com", "", "DK") for local in ("mette.ravnkilde", "mravnkilde")]
    population = Population.count(Columns.read([*crowd, *pair]))
    expected = Prior.expect(len(crowd))
    learnt = Prior(expected.same, expected.household, differ={**expected.differ, "email": 0.01})
    scores = [explain(*pair, population, prior) for prior in (expected, learnt)]
    assert scores[1].probability < scores[0].probability
    assert scores[1].fields["email"] < scores[0].fields["email"] - 3
