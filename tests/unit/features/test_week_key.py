"""Which rows change the key of a week of points."""

from datetime import date, timedelta
from importlib.metadata import version

import pytest

from pipelines.core.weeks import WEEK
from pipelines.data.week_sums import WeekSum, add_weeks
from pipelines.features.reach import Reach, reaches
from pipelines.features.week_key import frame_definition, week_key
from tests.support.feature_frame import MONDAY, declare, window

DAY = timedelta(days=1)
ENGINE = "1.5.4"
WEEKS = range(-6, 7)  # before and after the week that begins on MONDAY


def week(number: int) -> date:
    return (MONDAY + number * WEEK).date()


def row(happened: int, known: int, high: int = 5) -> WeekSum:
    return WeekSum(happened=week(happened), known=week(known), rows=1, high=high, low=7)


HISTORY = [row(number, number) for number in WEEKS]


def changed_by(late: WeekSum, reach: Reach) -> list[int]:
    """The weeks whose key a row changes that joins the history."""

    def keys(sums: tuple[WeekSum, ...]) -> list[str]:
        return [
            week_key("frame", {"sales": reach}, MONDAY + number * WEEK, {"sales": sums})
            for number in WEEKS
        ]

    before, after = keys(add_weeks(HISTORY)), keys(add_weeks([*HISTORY, late]))
    return [number for number, *pair in zip(WEEKS, before, after, strict=True) if len({*pair}) > 1]


@pytest.mark.parametrize(
    ("late", "reach", "changed"),
    [
        # Features of 14 days before; a late row counts from the week in which it became known.
        (row(0, 0), Reach(before=2 * WEEK), [0, 1, 2]),
        (row(0, 2), Reach(before=2 * WEEK), [2]),
        (row(0, 3), Reach(before=2 * WEEK), []),
        # One day more reaches into one week more.
        (row(0, 3), Reach(before=2 * WEEK + DAY), [3]),
        # Labels of the 7 days after: the row's own week and the one before, whenever it was known.
        (row(0, 0), Reach(after=WEEK), [-1, 0]),
        (row(0, 6), Reach(after=WEEK), [-1, 0]),
        (row(0, 6), Reach(after=WEEK + DAY), [-2, -1, 0]),
        # Rows that are points themselves.
        (row(-6, 2), Reach(own=True), [2]),
        (row(-6, 2), Reach(before=WEEK, after=WEEK, own=True), [-6, 2]),
    ],
)
def test_a_row_changes_the_weeks_that_it_can_touch(
    late: WeekSum, reach: Reach, changed: list[int]
) -> None:
    assert changed_by(late, reach) == changed


def test_equal_counts_of_other_rows_are_another_key() -> None:
    one, other = ({"sales": [row(0, 0, high)]} for high in (5, 6))
    reach = {"sales": Reach(before=DAY)}
    assert week_key("frame", reach, MONDAY, one) != week_key("frame", reach, MONDAY, other)


def test_every_part_of_a_frame_is_in_its_definition() -> None:
    plain = declare()
    others = [
        declare(features=[window("count", None, "1d")]),
        declare(features=[window("count", None, "2d")]),
        declare(label=plain.label.model_copy(update={"horizon": 2 * DAY})),
        declare(serving={"every": "1h"}),
        declare(points=plain.points.model_copy(update={"active_for": DAY})),
        declare(
            streams={
                name: stream.model_copy(update={"columns": {**stream.columns, "extra": "float"}})
                for name, stream in plain.streams.items()
            }
        ),
    ]
    found = {frame_definition(spec.frame, ENGINE) for spec in (plain, *others)}
    assert len(found) == len(others) + 1
    assert frame_definition(plain.frame, "spark 4.0.5") not in found
    assert frame_definition(declare(seeds=[4, 5]).frame, ENGINE) == frame_definition(
        plain.frame, ENGINE
    )


def test_streams_that_the_frame_does_not_read_are_not_in_its_definition() -> None:
    plain = declare()
    more = declare(streams={**plain.streams, "weather": plain.streams["sales"]})
    assert list(reaches(more.frame)) == ["sales"]
    assert frame_definition(more.frame, ENGINE) == frame_definition(plain.frame, ENGINE)


def test_libraries_of_own_features_change_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "import numpy as np\n\ndef level(table):\n    return table.amount * np.pi\n"
    own = {
        "kind": "expression",
        "name": "level",
        "function": "prices:level",
        "files": {"prices.py": text},
        "columns": {"amount": "it"},
    }
    plain = declare(features=[window("sum", "amount", "7d")]).frame
    mine = declare(features=[window("sum", "amount", "7d"), own]).frame
    before = [frame_definition(plain, ENGINE), frame_definition(mine, ENGINE)]
    for changed in ("numpy", "ibis-framework"):
        with monkeypatch.context() as patch:
            for module in ("features.week_key", "own_code.libraries"):
                patch.setattr(
                    f"pipelines.{module}.version",
                    lambda name, changed=changed: "0" if name == changed else version(name),
                )
            assert frame_definition(plain, ENGINE) == before[0]
            assert frame_definition(mine, ENGINE) != before[1]
