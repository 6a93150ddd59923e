"""The evidence of a pair, in words."""

import pytest

from contacts.detection.words import describe_bits, describe_evidence


def test_every_field_is_described_in_the_order_of_reading():
    reasons = describe_evidence({"phone": -1.3, "name": 12.73, "email": None})
    assert [(reason.field, reason.title, reason.bits, reason.words) for reason in reasons] == [
        ("name", "Name", 12.73, "speaks very strongly for one person"),
        ("company", "Company", None, "not known of both"),
        ("email", "E-mail", None, "not known of both"),
        ("phone", "Phone", -1.3, "speaks a little against it"),
    ]


@pytest.mark.parametrize(
    ("bits", "words"), [(7, "strongly for"), (0.2, "nothing either way"), (-3, "against it"), (-9, "strongly against")]
)
def test_words_go_by_the_bits(bits, words):
    assert words in describe_bits(bits)
