"""Charts: what is drawn of stacked values, and what is told of them."""

from integrations.admin.charts import HEIGHT, Key, Mark, Stack, draw

KEYS = [Key("Good", "good"), Key("Bad", "bad")]


def test_the_highest_column_fills_the_chart_and_parts_stand_on_one_another() -> None:
    chart = draw("Outcomes", [Stack("one", [30, 10]), Stack("two", [0, 20])], keys=KEYS, summary="60.")

    assert chart.paths == {"good": "M0 25.0h16v75.0h-16z", "bad": "M0 0.0h16v25.0h-16zM20 50.0h16v50.0h-16z"}
    assert [column.title for column in chart.columns] == ["one: 30 good, 10 bad", "two: 20 bad"]
    assert (chart.top, chart.first, chart.last) == ("40", "one", "now")


def test_little_beside_much_is_seen_and_nothing_is_not() -> None:
    chart = draw("Outcomes", [Stack("one", [100_000, 1]), Stack("two", [0, 0])], keys=KEYS, summary="")

    assert "v1.5h" in draw("", [Stack("", [1, 100_000])], keys=KEYS, summary="").paths["good"]
    assert chart.columns[1].title == "two: none"
    assert draw("", [Stack("one", [0, 0])], keys=KEYS, summary="").paths == {}
    assert draw("", [], keys=KEYS, summary="").columns == []


def test_a_mark_above_all_columns_is_within_the_chart() -> None:
    chart = draw("Lag", [Stack("one", [3, 0])], keys=KEYS, summary="", mark=Mark(30, "objective"))

    assert 0 < float(chart.mark_y) < HEIGHT
    assert chart.mark == "objective"
