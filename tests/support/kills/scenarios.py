"""The commands of the kill campaign (``campaign.py``), in rows that build on each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet

from pipelines.core.time import Window, instant_text
from pipelines.release.registry import CHAMPION
from pipelines.simulation.world import World
from pipelines.wiring import connect
from tests.support.live.segment_world import GAINING, LEAVES, go_on, segment_canary
from tests.support.pharmacy import FIRST, PLAIN, RICH, SCALE, SECOND, SEED, START, WEEK, Pharmacy
from tests.support.pharmacy import write_days as write_history
from tests.support.rollout_factory import (
    BUDGET,
    CANARY,
    HOUR,
    ROLLOUT,
    VERDICT,
    Traffic,
    sales_factor,
    salt_of,
    write_sales,
)

DAY = timedelta(days=1)
SERVING = {"every": "1h", "delay": "15m", "ttl": "9000d"}
Prepare = Callable[[Pharmacy], None]


def nothing(_: Pharmacy) -> None:
    """A command that needs no preparation."""


@dataclass(frozen=True)
class Command:
    """A command of a scenario.

    Arguments:
        words: arguments of ``gauntlet``; ``{folder}`` is the folder with files to import, and
            ``{evidence}`` the hash of the evidence that awaits review.
        now: the instant at which it runs.
        prepare: what happens before it.
        step: whether a repetition takes the next step, as that of ``release`` does.
    """

    words: tuple[str, ...]
    now: datetime
    prepare: Prepare = nothing
    step: bool = False

    @property
    def name(self) -> str:
        """The command as a person would type it."""
        return " ".join(self.words)


def retrain(as_of: datetime, now: datetime, prepare: Prepare) -> Command:
    """``gauntlet retrain`` as of an instant."""
    return Command(("retrain", "demand", "--as-of", instant_text(as_of)), now, prepare)


def _new_home(pharmacy: Pharmacy) -> None:
    """A declaration, events until ``FIRST`` and files with a week more; no home."""
    write_history(Path(pharmacy.store), START, FIRST)
    pharmacy.declare(PLAIN)
    folder = pharmacy.home.parent / "files"
    folder.mkdir()
    events = World(SCALE, SEED).events(Window(FIRST, SECOND + DAY))
    pyarrow.csv.write_csv(events["dispensing"], folder / "dispensing.csv")
    pyarrow.parquet.write_table(events["stock"], folder / "stock.parquet")


def _richer(pharmacy: Pharmacy) -> None:
    pharmacy.declare(RICH)


def _served(pharmacy: Pharmacy) -> None:
    pharmacy.declare(RICH, serving=SERVING, monitor={"alerts": {"file": "alerts.jsonl"}})


def _rewritten(pharmacy: Pharmacy) -> None:
    """Rows of the history that were read are gone."""
    next(Path(pharmacy.store).glob("dispensing/dt=2025-03-0*/*.parquet")).unlink()


def _with_rollout(pharmacy: Pharmacy) -> None:
    write_history(Path(pharmacy.store), SECOND, SECOND)
    pharmacy.declare(RICH, rollout=ROLLOUT, gates=BUDGET)


def _history(pharmacy: Pharmacy) -> None:
    write_history(Path(pharmacy.store), START, SECOND)
    pharmacy.declare()


def _updatable(pharmacy: Pharmacy) -> None:
    """A model that learns each matured day between retrainings."""
    write_history(Path(pharmacy.store), START, SECOND)
    steps = {"learning_rate": "constant", "eta0": 0.001}
    estimator = {"path": "sklearn.linear_model.SGDRegressor", "parameters": steps}
    pharmacy.declare(RICH, estimator=estimator, update={"every": "1d"})


def _shadow_traffic(pharmacy: Pharmacy) -> None:
    Traffic().log(pharmacy, SECOND + HOUR, CANARY)
    write_sales(Path(pharmacy.store), SECOND, CANARY, "", 0, sales_factor(1.4))


def _canary_traffic(pharmacy: Pharmacy) -> None:
    salt = salt_of_trial(pharmacy)
    write_sales(Path(pharmacy.store), CANARY, VERDICT, salt, 0.5, sales_factor(1.4))
    Traffic().log(pharmacy, CANARY + HOUR, VERDICT)


def salt_of_trial(pharmacy: Pharmacy) -> str:
    """The salt of the challenger on trial."""
    move = connect(pharmacy.settings).ledger.entries("demand")[-1].transition
    return move.salt if move else salt_of(pharmacy)


def _segment_canary(pharmacy: Pharmacy) -> None:
    """A canary that may promote for segments, with one in which harm is shown."""
    segment_canary(pharmacy.home.parent)


def _segment_traffic(pharmacy: Pharmacy) -> None:
    go_on(pharmacy, salt_of_trial(pharmacy), harm=False)


def _reviewed(pharmacy: Pharmacy) -> None:
    pharmacy.declare(RICH, review="required")


def _moved_alias(pharmacy: Pharmacy) -> None:
    connect(pharmacy.settings).registry.set_alias("demand", CHAMPION, "1")


def evidence_of_review(pharmacy: Pharmacy) -> str:
    """The hash of the evidence of the newest decision that awaits review."""
    entries = connect(pharmacy.settings).ledger.entries("demand")
    waiting = [one.decision for one in entries if one.outcome == "await_review" and one.decision]
    return waiting[-1].evidence


LATER = SECOND + 2 * DAY
DAYS = "--from", FIRST.date().isoformat(), "--to", SECOND.date().isoformat()
MATURED = "--from", instant_text(FIRST - 3 * WEEK), "--to", instant_text(FIRST - WEEK)
TWO_WEEKS = "--from", instant_text(FIRST), "--to", instant_text(SECOND + DAY)
BROKEN = instant_text(FIRST - 3 * DAY), instant_text(FIRST - 2 * DAY)
OFFLINE = (
    Command(("import", "demand", "dispensing", "{folder}/dispensing.csv"), LATER, _new_home),
    Command(("import", "demand", "stock", "{folder}/stock.parquet"), LATER),
    Command(("check", "demand", "--as-of", instant_text(FIRST)), LATER),
    retrain(FIRST, LATER, nothing),
    retrain(SECOND, LATER, _richer),
    Command(("materialize", "demand", "--as-of", instant_text(FIRST)), LATER, _served),
    Command(("materialize", "demand", "--as-of", instant_text(SECOND)), LATER),
    Command(("score", "demand", "--as-of", instant_text(SECOND)), LATER),
    Command(("monitor", "demand", "--as-of", instant_text(SECOND), "--alert"), LATER),
    Command(("features", "export", "--feast", "{folder}/feast"), LATER),
    Command(("audit", "demand", "--against", "1", "--as-of", instant_text(SECOND)), LATER),
    Command(("backtest", "demand", *MATURED, "--html", "{folder}/backtest.html"), LATER),
    Command(("backfill", "demand", *TWO_WEEKS), LATER),
    Command(("rollback", "demand", "--reason", "it sells nothing"), LATER),
    Command(("mark-broken", "demand", *BROKEN, "--by", "Ann", "--reason", "a flood"), LATER),
    Command(("stream", "drop", "demand", "dispensing", *DAYS, "--reason", "a wrong file"), LATER),
    Command(("stream", "accept", "demand", "dispensing", "--reason", "mended"), LATER, _rewritten),
)
ROLLOUT_STEPS = (
    retrain(FIRST, FIRST, _history),
    retrain(SECOND, SECOND, _with_rollout),
    Command(("release", "demand"), SECOND, step=True),
    Command(("release", "demand"), CANARY, _shadow_traffic, step=True),
    Command(("release", "demand"), VERDICT, _canary_traffic, step=True),
    Command(("release", "demand"), VERDICT, step=True),
    Command(("rollback", "demand", "--reason", "it sells nothing"), VERDICT),
)
BACK = "rollback", "demand", "--segment", GAINING, "--reason", "a complaint"
SEGMENTS = (
    Command(("release", "demand"), LEAVES, _segment_canary, step=True),
    Command(("release", "demand"), VERDICT, _segment_traffic, step=True),
    Command(BACK, VERDICT),
)
REVIEW = (
    retrain(FIRST, LATER, _history),
    retrain(SECOND, LATER, _reviewed),
    Command(("approve", "demand", "2", "--by", "Ann", "--evidence", "{evidence}"), LATER),
    Command(("release", "demand"), LATER, _moved_alias),
)
UPDATES = (
    retrain(FIRST, FIRST, _updatable),
    Command(("update", "demand", "--as-of", instant_text(FIRST + 2 * DAY)), LATER),
    Command(("update", "demand", "--as-of", instant_text(FIRST + 3 * DAY)), LATER),
    retrain(SECOND, LATER, nothing),
)
SHORT = (
    retrain(FIRST, LATER, _new_home),
    Command(("import", "demand", "dispensing", "{folder}/dispensing.csv"), LATER),
)
SCENARIOS = {
    "offline": OFFLINE,
    "review": REVIEW,
    "rollout": ROLLOUT_STEPS,
    "segments": SEGMENTS,
    "updates": UPDATES,
}
