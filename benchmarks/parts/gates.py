"""What four gates make of the same weekly candidates, and what it costs afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from parts.real_weeks import WEEK, Home, Week, truth
from pipelines.core.arrays import Floats, Mask

GATES = ("naive", "never", "usual", "always", "ours")
FOLLOWING = timedelta(weeks=4)
NAIVE = -1  # in force before our first version: each entity's own constant of that Monday


@dataclass
class Replay:
    """One gate over all weeks."""

    gate: str
    in_force: list[int] = field(default_factory=list)
    promotions: int = 0
    followed: int = 0
    lost: int = 0


class Arena:
    """Predictions of every week's candidate on all points, and of the naive forecast."""

    def __init__(self, home: Home) -> None:
        import mlflow.sklearn

        from pipelines.training.baseline import baseline_predictions
        from pipelines.training.fit import label_numbers
        from pipelines.training.metrics import primary_metric
        from pipelines.training.score import score
        from pipelines.training.split import inside, split_plan

        self.spec, self.weeks, self.rows = home.spec, home.weeks, truth(home)
        self.measure = primary_metric(self.spec)
        self.end = self.weeks[-1].at + WEEK
        self.candidates: dict[int, Floats] = {}
        self.naive = np.full(len(self.rows), np.nan)
        for number, week in enumerate(self.weeks):
            if week.candidate is not None:
                scored = score(mlflow.sklearn.load_model(str(week.candidate)), self.spec, self.rows)
                self.candidates[number] = scored.predictions
        for week in self.weeks:
            known = self.rows[inside(self.rows, split_plan(self.spec, week.at).train)]
            live = self.within(week.at, week.at + WEEK)
            if live.any():
                rows = self.rows[live]
                self.naive[live] = baseline_predictions(self.spec, known, rows)
        self.label = label_numbers(self.rows["label"], self.spec.classes)

    def within(self, start: datetime, end: datetime) -> Mask:
        """The points of a stretch of time."""
        from pipelines.core.time import Window
        from pipelines.training.split import inside

        return inside(self.rows, Window(start, end))

    def utilities(self, predictions: Floats, mask: Mask) -> Floats:
        """The metric on some of the points; higher is better, whatever the metric."""
        return self.measure.utilities(self.label[mask], predictions[mask], self.rows[mask])

    def better(self, one: Floats, other: Floats, mask: Mask) -> bool:
        """Whether the metric of one is better than that of the other, by however little."""
        return bool(
            mask.any() and self.utilities(one, mask).mean() > self.utilities(other, mask).mean()
        )

    def replay(self, gate: str, start: int) -> Replay:
        """Which candidate is in force in each week, and what became of each promotion.

        From ``start`` on. All but ours put that week's candidate into force, whatever it is worth;
        ours does so when it is its first version.
        """
        from pipelines.training.split import split_plan

        force, done = NAIVE, Replay(gate)
        for number, week in enumerate(self.weeks):
            new = self.candidates.get(number)
            if number < start or gate == "naive" or new is None:
                done.in_force.append(force)
                continue
            if force == NAIVE:
                force = number if gate != "ours" or week.moves else NAIVE
            else:
                recent = split_plan(self.spec, week.at).recent
                rows = self.within(recent.start, recent.end)
                if self._passes(gate, week, new, force, rows):
                    done.promotions += 1
                    if week.at + FOLLOWING <= self.end:
                        after = self.within(week.at, week.at + FOLLOWING)
                        done.followed += 1
                        done.lost += self.better(self.candidates[force], new, after)
                    force = number
            done.in_force.append(force)
        return done

    def _passes(self, gate: str, week: Week, new: Floats, force: int, recent: Mask) -> bool:
        if gate == "usual":
            return self.better(new, self.candidates[force], recent)
        return {"never": False, "always": True, "ours": week.moves}[gate]

    def live(self, done: Replay) -> Floats:
        """What a gate's model of each week answered in that week."""
        answered = np.full(len(self.rows), np.nan)
        for week, force in zip(self.weeks, done.in_force, strict=True):
            mask = self.within(week.at, week.at + WEEK)
            answered[mask] = (self.naive if force == NAIVE else self.candidates[force])[mask]
        return answered


def compare(home: Home) -> dict[str, Any]:
    """The tables of a set.

    From its first candidate on; and, when our first version came later, from that one on, which
    then all gates start with.
    """
    arena = Arena(home)
    facts: dict[str, Any] = {
        "set": home.name,
        "metric": arena.measure.name,
        "higher_is_better": arena.measure.higher_is_better,
        "retrains": len(home.weeks),
        "span": [str(home.weeks[0].at.date()), str(arena.end.date())],
        "candidates": len(arena.candidates),
        "refused": {str(w.at.date()): list(w.refused) for w in home.weeks if w.refused},
        "waived": {str(w.at.date()): list(w.waived) for w in home.weeks if w.waived},
        "first_version": None,
        "parts": [],
    }
    if not arena.candidates:
        return facts
    begin = min(arena.candidates)
    starts = {"from the first candidate on": begin}
    own = next((number for number, week in enumerate(home.weeks) if week.moves), None)
    if own is not None:
        facts["first_version"] = str(home.weeks[own].at.date())
        if own != begin:
            starts["from our first version on, with which all gates start"] = own
    facts["parts"] = [_part(arena, start) | {"title": title} for title, start in starts.items()]
    return facts


def _part(arena: Arena, start: int) -> dict[str, Any]:
    from pipelines.stats.paired import paired_difference
    from pipelines.stats.undefined import Undefined

    mask = arena.within(arena.weeks[start].at, arena.end)
    keys = list(arena.spec.points.keys)
    entity = arena.rows[mask].groupby(keys, dropna=False, observed=True).ngroup().to_numpy()
    day = arena.rows["decision_time"].to_numpy("datetime64[D]").astype("int64")[mask]
    replays = [arena.replay(gate, start) for gate in GATES]
    answers = {done.gate: arena.live(done) for done in replays}
    live = {gate: arena.utilities(answered, mask) for gate, answered in answers.items()}
    lines = []
    for done in replays:
        gate = done.gate
        line: dict[str, Any] = {"gate": gate, "promotions": done.promotions}
        line |= {"followed": done.followed, "lost": done.lost}
        line |= {"metric": arena.measure.value(live[gate]), "worse_than_ours": None, "se": None}
        try:
            found = paired_difference(live["ours"], live[gate], entity, day, strict=False)
        except Undefined:
            pass  # the same models were in force; the table says so
        else:
            line |= {"worse_than_ours": found.estimate, "se": found.standard_error}
        lines.append(line)
    return {
        "from": str(arena.weeks[start].at.date()),
        "retrains": sum(number > start for number in arena.candidates),
        "points": int(mask.sum()),
        "gates": lines,
        "weekly": _weekly(arena, answers, start),
    }


def _weekly(arena: Arena, answers: dict[str, Floats], start: int) -> dict[str, list[Any]]:
    """Each gate's metric week by week; a week without labelled points is left out."""
    series: dict[str, list[Any]] = {"week": [], **{gate: [] for gate in answers}}
    for week in arena.weeks[start:]:
        mask = arena.within(week.at, week.at + WEEK)
        if mask.any():
            series["week"].append(str(week.at.date()))
            for gate, answered in answers.items():
                series[gate].append(arena.measure.value(arena.utilities(answered, mask)))
    return series
