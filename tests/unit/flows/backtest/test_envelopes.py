"""The kept checks of a champion's envelope are found again only for the same question."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.core.time import Window
from pipelines.flows.backtest.envelopes import ChampionEnvelopes
from pipelines.spec.model import ModelSpec
from pipelines.spec.training import Exclusion
from tests.support.pharmacy import declaration

AT = datetime(2026, 1, 5, tzinfo=UTC)
WEEK = timedelta(days=7)
SPEC = ModelSpec.model_validate(declaration())


def test_an_excluded_window_asks_for_another_envelope(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[Any] = []

    def check(*about: Any) -> tuple[()]:
        checked.append(about)
        return ()

    monkeypatch.setattr(ChampionEnvelopes, "_check", check)
    left_out = Exclusion(start=AT - 3 * WEEK, end=AT - 2 * WEEK, reason="tablets")
    split = SPEC.split.model_copy(update={"exclude": (left_out,)})
    champion: Any = SimpleNamespace(
        judged=SimpleNamespace(train=Window(AT - 8 * WEEK, AT - WEEK)), as_of=AT - WEEK
    )
    parts: Any = SimpleNamespace(id="snapshot")
    for number, spec in enumerate((SPEC, SPEC.model_copy(update={"split": split})), start=1):
        for _ in range(2):
            with ChampionEnvelopes(parts, spec, parts, parts, tmp_path) as envelopes:
                assert envelopes.against(AT, champion) == ()
            assert len(checked) == number, "kept for the same exclusions, and only for these"
