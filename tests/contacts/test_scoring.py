"""Lead scores: the rules that are shipped, what answers may look like, and whose address is a company's."""

from typing import Any

import pytest

from contacts.free_mail import is_free_mail
from contacts.models import ScoreRule
from contacts.scoring import is_company_address, load_rules, score

pytestmark = pytest.mark.django_db
PRIVATE = "zoe@gmail.com"


def points(*answers: tuple[str, Any], email: str = PRIVATE) -> int:
    return score(load_rules(), [{"key": key, "value": value} for key, value in answers], email)


# --- The rules that are shipped ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1-10", 0), ("11-50", 0), ("51-200", 30), ("201-1000", 45), ("1000+", 60), ("5000", 0), ("", 0), (None, 0)],
)
def test_the_size_of_the_team(value: Any, expected: int) -> None:
    assert points(("team_size", value)) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [("now", 40), ("this week", 40), ("this month", 40), ("this year", 0), ("no idea", 0)]
)
def test_the_time(value: str, expected: int) -> None:
    assert points(("timeline", value)) == expected


def test_points_add_up() -> None:
    assert points(("team_size", "1000+"), ("timeline", "now"), email="zoe@acme.example") == 110


def test_no_answers_and_answers_to_other_questions_score_nothing() -> None:
    assert points() == 0
    assert points(("size", "51-200"), ("question", "now")) == 0


# --- What answers may look like ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", [" 51-200 ", "51–200", "51—200", "51‑200", "51−200", ["51-200"], ["11-50", "51–200"], ["51-200", "51-200"]]
)
def test_spaces_around_dashes_and_lists_do_not_matter(value: Any) -> None:
    assert points(("team_size", value)) == 30


@pytest.mark.parametrize("answer", [("timeline", "This MONTH"), ("TimeLine ", "this month")])
def test_case_does_not_matter(answer: tuple[str, str]) -> None:
    assert points(answer) == 40


def test_a_question_that_is_answered_twice_has_both_answers() -> None:
    assert points(("timeline", "now"), ("timeline", "later")) == 40


def test_a_list_that_fits_two_rules_scores_by_both() -> None:
    assert points(("team_size", ["51-200", "201-1000"])) == 75


@pytest.mark.parametrize("value", [51, 5.5, True, {"size": "51-200"}, [], [None], [["51-200"]], [{}]])
def test_values_of_other_types_score_nothing_and_break_nothing(value: Any) -> None:
    assert points(("team_size", value)) == 0


def test_a_number_is_as_good_as_its_text() -> None:
    ScoreRule.objects.create(answer_key="seats", values=["50"], points=5)
    assert points(("seats", 50)) == 5


@pytest.mark.parametrize("answer", [{}, {"key": None}, {"value": "now"}, {"key": 7, "value": "now"}])
def test_an_answer_that_lacks_something_breaks_nothing(answer: dict[str, Any]) -> None:
    assert score(load_rules(), [answer], PRIVATE) == 0


# --- Rules of one's own -----------------------------------------------------------------------------------------------


def test_a_rule_that_is_switched_off_does_not_count() -> None:
    ScoreRule.objects.filter(points=40).update(is_active=False)
    assert points(("timeline", "now")) == 0


def test_a_rule_may_take_points_away() -> None:
    ScoreRule.objects.create(answer_key="role", values=["Student"], points=-50)
    assert points(("team_size", "1000+"), ("role", "student")) == 10


def test_a_rule_without_values_never_matches() -> None:
    ScoreRule.objects.create(answer_key="team_size", values=[], points=5)
    assert points(("team_size", "")) == 0


# --- Addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("email", "is_company"),
    [
        ("zoe@acme.example", True),
        ("zoe@mail.acme.example", True),
        ("zoe@gmail.com", False),
        ("zoe@GMail.COM", False),
        ("zoe@gmail.com.", False),
        ("zoe@yahoo.co.uk", False),
        ("zoe@notgmail.com", True),
        ("zoe@gmail.com.acme.example", True),
        ('"zoe@gmail.com"@acme.example', True),
        ("zoe", False),
        ("zoe@", False),
        ("zoe@localhost", False),
        ("", False),
    ],
)
def test_a_company_address_is_one_that_is_no_free_mail(email: str, is_company: bool) -> None:
    assert is_company_address(email) == is_company
    assert points(email=email) == (10 if is_company else 0)


@pytest.mark.parametrize("domain", ["gmail.com", "gmx.de", "outlook.com", "icloud.com", "qq.com", " WEB.de. "])
def test_well_known_free_mail(domain: str) -> None:
    assert is_free_mail(domain)
