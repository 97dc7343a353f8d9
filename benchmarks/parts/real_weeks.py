"""A real set in a home of its own, retrained every Monday by the product's own flow."""

from __future__ import annotations

import dataclasses
import runpy
import sys
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.connections import Connections
    from pipelines.flows.retrain.steps import Retraining
    from pipelines.settings import Settings
    from pipelines.spec.model import ModelSpec

ROOT = Path(__file__).parents[2]
REAL = ROOT / "tests" / "real"
DATA = ROOT.parent / "shared" / "data"
WEEK = timedelta(days=7)
LOOKED_AT = "looked at: true events, not a fault"


@dataclass(frozen=True)
class RealSet:
    """A set, its Mondays, and what of its declaration is changed for the backtest."""

    folder: str
    first: str
    weeks: int
    options: dict[str, list[str]]
    exclude: tuple[dict[str, str], ...] = ()


OUTAGE = {"start": "2017-01-02", "end": "2017-02-06", "reason": "an outage, filled with averages"}
SHOP = ["--column", "sold_at=datum", "--time-format", "%m/%d/%Y %H:%M", "--zone", "Europe/Belgrade"]
SETS = {
    "pharma_sales": RealSet("pharma_sales", "2018-07-02", 65, {"sales": SHOP}, (OUTAGE,)),
    "bike_sharing": RealSet("bike_sharing", "2011-08-01", 74, {"hours": [], "rides": []}),
    "pnw_flights": RealSet(
        "pnw_flights_2014",
        "2014-06-02",
        30,
        {
            "departures": [],
            "arrivals": [],
            "weather": ["--column", "observed_at=date", "--zone", "UTC", "--missing", "NA"],
        },
    ),
}


@dataclass(frozen=True)
class Week:
    """One Monday: what the flow decided, and the candidate that every gate is asked about."""

    at: datetime
    outcome: str
    candidate: Path | None
    refused: tuple[str, ...]
    waived: tuple[str, ...]

    @property
    def moves(self) -> bool:
        """Whether our gates made the candidate champion."""
        return self.outcome in ("first_version", "promote")


@dataclass
class Home:
    """Where a set was imported and retrained."""

    name: str
    place: Path
    settings: Settings
    weeks: list[Week] = field(default_factory=list)

    def parts(self, at: datetime) -> Connections:
        """The real parts, with a registry in a folder and a clock that stands still."""
        from pipelines.adapters.registry.folder import FolderRegistry
        from pipelines.core.time import FixedClock
        from pipelines.wiring import connect

        registry = FolderRegistry(self.settings.home / "registry")
        return dataclasses.replace(connect(self.settings, clock=FixedClock(at)), registry=registry)

    @property
    def spec(self) -> ModelSpec:
        """The declaration that is retrained."""
        from pipelines.spec.load import load_model

        return load_model(self.settings.models / f"{self.name}.yaml")


def opened(name: str, place: Path) -> Home:
    """The set imported through the shell's own command, and its declaration with two seeds."""
    import yaml
    from typer.testing import CliRunner

    from pipelines.cli.app import app
    from pipelines.settings import Settings

    home, models, known = place / "home", place / "models", SETS[name]
    models.mkdir(parents=True)
    declared = yaml.safe_load((REAL / "models" / f"{name}.yaml").read_text(encoding="utf-8"))
    declared |= {"seeds": [11, 12]}
    declared["split"] |= {"exclude": list(known.exclude)}
    (models / f"{name}.yaml").write_text(yaml.safe_dump(declared), encoding="utf-8")
    settings = Settings(home=home, models=models, expectations=REAL / "expectations")
    shell = {f"GAUNTLET_{n.upper()}": str(v) for n, v in settings.model_dump().items()}
    for stream, file in runpy.run_path(str(REAL / "prepare.py"))[name](place).items():
        words = ["import", name, stream, str(file), *known.options[stream]]
        done = CliRunner().invoke(app, words, env=shell, catch_exceptions=False)
        if done.exit_code:
            raise SystemExit(done.output)
    return Home(name, place, settings)


def retrain_weekly(home: Home, weeks: int) -> None:
    """Every Monday's run, in the lineage ``backtest``.

    The person who answers for the model is a rule: what a hand-written suite refused is broken
    and settled in the declaration; a finding of the champion's envelope that refused last Monday
    has been looked at since, and is waived as true, and so are the refused weeks.
    """
    from pipelines.core.time import parse_instant
    from pipelines.flows.retrain.request import Request
    from pipelines.flows.retrain.steps import retrain
    from pipelines.flows.retrain.train import CANDIDATE

    first = parse_instant(SETS[home.name].first)
    waive: set[str] = set()
    for number in range(weeks):
        at = first + WEEK * number
        request = Request(
            model=home.name,
            as_of=at,
            lineage="backtest",
            waive=tuple(sorted(waive)),
            reason=LOOKED_AT if waive else "",
        )
        done = retrain(request, home.parts(at).retraining)
        against = [name for name in _against(done) if name.startswith("contract.")]
        week = Week(
            at,
            done.decision.outcome.value,
            None if done.evidence.trained is None else done.run.workspace.path(CANDIDATE),
            tuple(name for name in against if name not in waive),
            tuple(name for name in against if name in waive),
        )
        home.weeks.append(week)
        waive = {name for name in against if name.startswith("contract.envelope.")}
        if week.refused:
            waive |= {f"contract.previously_rejected.{at:%Y-%m-%d}"}
        summary = f"{at.date()} {week.outcome} {', '.join(week.refused)}"
        print(summary + (f" (waived: {len(week.waived)})" if week.waived else ""), file=sys.stderr)
        sys.stderr.flush()


def _against(done: Retraining) -> list[str]:
    return [f.name for f in done.findings if f.blocking and f.verdict.value != "pass"]


def truth(home: Home) -> pd.DataFrame:
    """All decision points from the first training span on, with the labels that came in the end."""
    from pipelines.core.time import Window
    from pipelines.flows.frames import FRAME, read_rows, write_frame
    from pipelines.flows.workspace import Workspace
    from pipelines.training.split import split_plan

    spec, first = home.spec, home.weeks[0].at
    end = home.weeks[-1].at + WEEK
    last = end + spec.maturity
    parts = home.parts(last)
    events = parts.open_events(spec)
    snapshot = events.snapshot(spec.streams, last)
    plan, start = split_plan(spec, last), split_plan(spec, first).train.start
    plan = plan.model_copy(update={"train": Window(start, plan.train.end)})
    space = Workspace.open_locked(home.place / "truth")
    write_frame(events, spec, snapshot, plan, space)
    rows: Any = read_rows(spec, space.path(FRAME), Window(start, end))
    labelled: pd.DataFrame = rows[rows["label"].notna()].reset_index(drop=True)
    return labelled
