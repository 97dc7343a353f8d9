"""The kept checks of a champion's envelope are found again only for the same question."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.core.time import Window
from pipelines.flows.backtest.contract import AT_ONCE
from pipelines.flows.backtest.envelopes import ChampionEnvelopes, CheckedEvents
from pipelines.spec.model import ModelSpec
from pipelines.spec.training import Exclusion
from tests.support.pharmacy import declaration

AT = datetime(2026, 1, 5, tzinfo=UTC)
WEEK = timedelta(days=7)
SPEC = ModelSpec.model_validate(declaration())
CHAMPION: Any = SimpleNamespace(
    judged=SimpleNamespace(train=Window(AT - 8 * WEEK, AT - WEEK)), as_of=AT - WEEK
)
MONDAYS = [AT + number * WEEK for number in range(-4, AT_ONCE + 3)]


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[datetime]]:
    """The Mondays that each check was made for."""
    found: list[Sequence[datetime]] = []

    def check(_: Any, __: Window, mondays: Sequence[datetime]) -> dict[datetime, tuple[()]]:
        found.append(mondays)
        return dict.fromkeys(mondays, ())

    monkeypatch.setattr(ChampionEnvelopes, "_check", check)
    return found


def envelopes(spec: ModelSpec, folder: Path) -> ChampionEnvelopes:
    parts: Any = SimpleNamespace(id="snapshot")
    return ChampionEnvelopes(CheckedEvents(parts, parts, MONDAYS, parts), spec, folder)


def test_an_excluded_window_asks_for_another_envelope(
    tmp_path: Path, checked: list[Sequence[datetime]]
) -> None:
    left_out = Exclusion(start=AT - 3 * WEEK, end=AT - 2 * WEEK, reason="tablets")
    split = SPEC.split.model_copy(update={"exclude": (left_out,)})
    for number, spec in enumerate((SPEC, SPEC.model_copy(update={"split": split})), start=1):
        for _ in range(2):
            with envelopes(spec, tmp_path) as opened:
                assert opened.against(AT, CHAMPION) == ()
            assert len(checked) == number, "kept for the same exclusions, and only for these"


def test_an_envelope_is_checked_on_many_mondays_at_once(
    tmp_path: Path, checked: list[Sequence[datetime]]
) -> None:
    with envelopes(SPEC, tmp_path) as opened:
        for monday in MONDAYS:
            if monday >= AT:
                assert opened.against(monday, CHAMPION) == ()
    assert [len(mondays) for mondays in checked] == [AT_ONCE, 3]
    assert [monday for part in checked for monday in part] == MONDAYS[4:]
