"""The fixed part of the world: one account, its calendars, event types, opening hours and booking questions."""

from datetime import time

from integrations.sandbox import settings
from integrations.sandbox.calendar_live.records import Calendar, EventType, Price
from integrations.sandbox.calendar_live.teams import make_calendars, make_event_types

ACCOUNT_ID = "acct_acme"
API_VERSION = "2026-01-01"

CALENDARS = {
    calendar.id: calendar
    for calendar in (
        Calendar("cal_emea_sales", "EMEA sales", "Europe/Paris", "lea.martin@acme.example"),
        Calendar("cal_us_sales", "US sales", "America/New_York", "sam.reed@acme.example"),
    )
} | make_calendars(settings.TEAMS)

# What somebody sees who authorises with another account than Acme's; nothing else is played of it.
ELSEWHERE = {"cal_elsewhere": Calendar("cal_elsewhere", "Elsewhere", "Europe/London", "somebody@elsewhere.example")}

EVENT_TYPES = {
    event_type.slug: event_type
    for event_type in (
        EventType(
            "et_trial",
            "trial",
            "Trial call",
            "A first talk about what you need, on Zoom.",
            duration_min=30,
            calendar_id="cal_emea_sales",
            online_meeting="zoom",
        ),
        # A second public page on one calendar: both can sell the same time.
        EventType(
            "et_quick",
            "quick-chat",
            "Quick chat",
            "A question, answered at once. Booked without a look at the calendar's other pages.",
            duration_min=30,
            calendar_id="cal_emea_sales",
            sees_others=False,
        ),
        EventType(
            "et_demo",
            "demo",
            "Product demo",
            "The product, shown with an example like yours.",
            duration_min=45,
            calendar_id="cal_us_sales",
        ),
        EventType(
            "et_onboarding",
            "onboarding",
            "Onboarding",
            "The first steps, in a group of up to 25 on Zoom.",
            duration_min=60,
            calendar_id="cal_emea_sales",
            capacity=25,
            online_meeting="zoom",
        ),
        EventType(
            "et_webinar",
            "pricing-masterclass",
            "Pricing masterclass",
            "A webinar on Zoom about prices that sell.",
            duration_min=90,
            calendar_id="cal_emea_sales",
            capacity=200,
            online_meeting="zoom",
            price=Price(4900, "eur", is_sold_here=True),
        ),
        # calendar.live makes no Checkout Session for this one: whoever follows its webhooks has to sell it.
        EventType(
            "et_workshop",
            "deep-dive-workshop",
            "Deep-dive workshop",
            "A small group works on your own case, on Zoom.",
            duration_min=120,
            calendar_id="cal_us_sales",
            capacity=3,
            online_meeting="zoom",
            price=Price(19900, "usd", is_sold_here=False),
        ),
    )
} | make_event_types(settings.TEAMS)

# Every calendar may be booked Monday to Friday in these hours of its own zone.
OPENS_AT, CLOSES_AT = time(9), time(17)
WORKDAYS = frozenset(range(5))

MARKETING_TEXT = "Keep me posted about product news."
QUESTIONS = {"team_size": "How big is your team?", "timeline": "When do you want to start?"}
TEAM_SIZES = ("1-10", "11-50", "51-200", "201-1000", "1000+")
TIMELINES = ("now", "this week", "this month", "this quarter", "later")
COUNTRIES = {
    "AU": "Australia",
    "BR": "Brazil",
    "CA": "Canada",
    "CH": "Switzerland",
    "DE": "Germany",
    "ES": "Spain",
    "FR": "France",
    "GB": "United Kingdom",
    "IE": "Ireland",
    "IN": "India",
    "JP": "Japan",
    "NL": "Netherlands",
    "PL": "Poland",
    "US": "United States",
}
