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
from pipelines.cli.commands.init import ask
from pipelines.core.errors import DataError, SpecError
from pipelines.data.ingest.reading import ReadOptions
from pipelines.scaffold.answers import Answers
from pipelines.scaffold.examine import examined
from pipelines.spec.load import load_model

RUN = CliRunner()
START = datetime(2026, 1, 5, tzinfo=UTC)


pytestmark = pytest.mark.usefixtures("own_folder")


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


def test_a_command_that_was_killed_between_the_two_files_goes_on(orders: Path) -> None:
    """Its suite is there already, and the declaration is not."""
    command = ["init", "coffee", "--from", str(orders), "--yes"]
    assert RUN.invoke(app, command).exit_code == 0
    declared = Path("models/coffee.yaml").read_bytes()
    Path("models/coffee.yaml").unlink()
    assert RUN.invoke(app, command).exit_code == 0
    assert Path("models/coffee.yaml").read_bytes() == declared
    Path("models/coffee.yaml").unlink()
    Path("expectations/coffee.json").write_text("{}", encoding="utf-8")
    refused = RUN.invoke(app, command)
    assert isinstance(refused.exception, SpecError)
    assert not Path("models/coffee.yaml").exists()


def test_a_question_is_repeated_after_an_answer_that_does_not_fit(orders: Path) -> None:
    answers = Answers(event_time="ordered_at", known_time="recorded_at", horizon="7d")
    with examined(orders, ReadOptions()) as file, RUN.isolation(input="nosuch\nShop Name\n\n"):
        chosen = ask(answers, lambda given: file.propose("coffee", "events", None, given))
    assert (chosen.entity, chosen.label) == (("Shop Name",), "cups")


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (".", SpecError),
        ("nosuch.csv", SpecError),
        ("s3://", SpecError),
        ("s3://bucket", SpecError),
        ("s3://bucket/", SpecError),
    ],
)
def test_an_address_without_events(source: str, error: type[Exception]) -> None:
    refused = RUN.invoke(app, ["init", "coffee", "--from", source, "--yes"])
    assert isinstance(refused.exception, error)


def test_answers_that_make_no_declaration(orders: Path) -> None:
    keys = ["--entity", "Shop Name", "--entity", "Shop Name"]
    refused = RUN.invoke(app, ["init", "coffee", "--from", str(orders), "--yes", *keys])
    assert isinstance(refused.exception, SpecError)
    assert refused.exception.where.endswith("models/coffee.yaml")
    assert refused.exception.got.strip().startswith("line ")
    assert not Path("expectations").exists()
