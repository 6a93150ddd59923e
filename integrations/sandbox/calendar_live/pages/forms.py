"""The forms of the pages for people. Field names are stable: tests in a browser fill them in by name."""

from datetime import datetime

from django import forms

from integrations.sandbox.calendar_live.bookings import Guest
from integrations.sandbox.calendar_live.catalog import COUNTRIES, MARKETING_TEXT, QUESTIONS, TEAM_SIZES, TIMELINES
from integrations.sandbox.calendar_live.inputs import parse_instant
from integrations.sandbox.calendar_live.records import Answer, Knobs


def with_blank(choices: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [("", "Please choose"), *choices]


class SlotForm(forms.Form):
    """The choice of a time: `slot` is the start in ISO 8601."""

    slot = forms.CharField(error_messages={"required": "Please choose a time."})

    def clean_slot(self) -> datetime:
        try:
            return parse_instant(self.cleaned_data["slot"])
        except ValueError as error:
            raise forms.ValidationError("Please choose one of the times on offer.") from error


class BookingForm(SlotForm):
    """A time, and who books it."""

    full_name = forms.CharField(
        label="Your name",
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
        error_messages={"required": "Please tell us your name."},
    )
    email = forms.EmailField(
        label="E-mail",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
        error_messages={
            "required": "Please give an e-mail address.",
            "invalid": "This doesn't look like an e-mail address. Example: zoe@example.com",
        },
    )
    phone = forms.CharField(
        label="Phone",
        max_length=40,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "tel", "type": "tel"}),
    )
    company = forms.CharField(
        label="Company",
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
    )
    country = forms.ChoiceField(label="Country", choices=with_blank(list(COUNTRIES.items())), required=False)
    team_size = forms.ChoiceField(
        label=QUESTIONS["team_size"], choices=with_blank([(size, size) for size in TEAM_SIZES]), required=False
    )
    timeline = forms.ChoiceField(
        label=QUESTIONS["timeline"], choices=with_blank([(when, when) for when in TIMELINES]), required=False
    )
    marketing = forms.BooleanField(label=MARKETING_TEXT, required=False)

    def guest(self) -> Guest:
        """Who books, from a valid form; what was left empty is None."""
        data = self.cleaned_data
        return Guest(
            full_name=data["full_name"],
            email=data["email"],
            phone=data["phone"] or None,
            company=data["company"] or None,
            country=data["country"] or None,
            wants_news=data["marketing"],
            answers=tuple(Answer(key, question, data[key]) for key, question in QUESTIONS.items() if data[key]),
        )


class KnobsForm(forms.Form):
    """Faults of the webhook sender."""

    latency_ms = forms.IntegerField(label="Wait before sending (ms)", min_value=0, max_value=600_000)
    drop_next = forms.IntegerField(label="Lose the next deliveries (number)", min_value=0, max_value=1000)
    is_doubling = forms.BooleanField(label="Send every delivery twice, at the same instant", required=False)
    is_holding_next = forms.BooleanField(
        label="Hold the next delivery back until after the one that follows it", required=False
    )

    def knobs(self) -> Knobs:
        return Knobs(**self.cleaned_data)
