"""``gauntlet init``: a declaration and a suite that `gauntlet check` calls ready."""

import json
import math
import random
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.cli.app import app
from pipelines.core.errors import DataError, SpecError
from pipelines.spec.load import load_model
from tests.support.own_folder import own_folder

RUN = CliRunner()
START = datetime(2026, 1, 5, tzinfo=UTC)


pytestmark = pytest.mark.usefixtures("own_folder")
__all__ = ["own_folder"]


@pytest.fixture
def orders(own_folder: Path) -> Path:
    """A CSV of 18 weeks of orders of eight shops with different levels and slow trends."""
    rng = random.Random(5)
    rows = ["order_no,Shop Name,ordered_at,recorded_at,cups"]
    for shop in range(8):
        level, trend = rng.uniform(2, 9), 0.0
        for day in range(126):
            trend = 0.97 * trend + rng.gauss(0, 0.2)
            for _ in range(round(level * math.exp(trend))):
                at = START + timedelta(days=day, hours=rng.uniform(7, 19))
                known = at + timedelta(minutes=rng.uniform(1, 50))
                times = f"{at.isoformat()},{known.isoformat()}"
                rows.append(f"{len(rows)},s{shop:02},{times},{rng.randint(1, 3)}")
    file = own_folder / "orders.csv"
    file.write_text("\n".join(rows), encoding="utf-8")
    return file


def test_what_it_writes_is_ready_after_the_import_that_it_prints(orders: Path) -> None:
    written = RUN.invoke(app, ["init", "coffee", "--from", str(orders), "--yes", "--json"])
    assert written.exit_code == 0, written.output
    found = json.loads(written.output)
    assert found["guesses"]["label"]["value"] == "cups"
    assert found["guesses"]["entity"]["evidence"]
    spec = load_model(Path("models/coffee.yaml"))
    assert spec.points.keys == ("shop_name",)
    text = Path("models/coffee.yaml").read_text(encoding="utf-8")
    assert "# guess, keys: 8 values" in text
    for line in found["next"][:2]:
        done = RUN.invoke(app, shlex.split(line)[1:])
        assert done.exit_code == 0, done.output
    assert "ready" in done.output


def test_an_existing_model_stays_as_it_is(orders: Path) -> None:
    Path("models").mkdir()
    Path("models/coffee.yaml").write_text("mine", encoding="utf-8")
    refused = RUN.invoke(app, ["init", "coffee", "--from", str(orders), "--yes"])
    assert isinstance(refused.exception, SpecError)
    assert "--overwrite" in str(refused.exception)
    assert Path("models/coffee.yaml").read_text(encoding="utf-8") == "mine"
    assert not Path("expectations").exists()


def test_without_a_terminal_it_needs_yes(orders: Path) -> None:
    refused = RUN.invoke(app, ["init", "coffee", "--from", str(orders)])
    assert isinstance(refused.exception, SpecError)
    assert "--yes" in str(refused.exception)


def test_a_short_history_is_refused() -> None:
    days = (f"2026-01-{day:02}T10:00:00Z,{day}" for day in range(1, 29))
    Path("short.csv").write_text("\n".join(["at,units", *days]), encoding="utf-8")
    refused = RUN.invoke(app, ["init", "short", "--from", "short.csv", "--yes"])
    assert isinstance(refused.exception, DataError)
    assert "at least 8 weeks" in str(refused.exception)
    assert not Path("models").exists()
