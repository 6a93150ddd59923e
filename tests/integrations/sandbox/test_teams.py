from integrations.sandbox.calendar_live.catalog import CALENDARS, EVENT_TYPES
from integrations.sandbox.calendar_live.teams import make_calendars, make_event_types


def test_there_are_no_teams_unless_they_are_asked_for() -> None:
    assert not any(key.startswith("cal_team") for key in CALENDARS)
    assert not any(slug.startswith("team-") for slug in EVENT_TYPES)


def test_each_team_has_three_pages_of_which_one_sees_no_other() -> None:
    calendars, pages = make_calendars(20), make_event_types(20)
    assert (len(calendars), len(pages)) == (20, 60)
    for key in calendars:
        own = [page for page in pages.values() if page.calendar_id == key]
        assert sorted(page.sees_others for page in own) == [False, True, True]
