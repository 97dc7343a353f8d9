"""The canary of a refresh, replayed where predictions do not change their labels.

Both arms are answered from the history: the challenger's predictions in one, the champion's in the
other, for random entities. What is counted and how it is judged are the functions of the release.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from pipelines.backtest.history import labelled
from pipelines.backtest.predictions import Predictions
from pipelines.backtest.versions import Version
from pipelines.core.arrays import Floats, Integers, Mask
from pipelines.core.findings import Finding
from pipelines.core.time import Window
from pipelines.gates.canary.refresh import judge_refresh_canary
from pipelines.gates.canary.sums import CanaryEvidence, EnrolledEntities, canary_sums
from pipelines.gates.canary.verdict import CanaryStep
from pipelines.outcomes.log import NO_STAGE, Assignment, EntityLog, assign_entities
from pipelines.outcomes.metric_rows import MetricRows
from pipelines.outcomes.metrics import loss_measure
from pipelines.predictions.assignment import Ramp
from pipelines.release.rollout.lanes import record_watches, rollout_of
from pipelines.spec.live_metrics import losses_of
from pipelines.spec.model import ModelSpec
from pipelines.spec.rollout import Rollout

DAY = timedelta(days=1)


def replayed_rollout(spec: ModelSpec) -> Rollout | None:
    """The rollout of a refresh, with what a history can show of its canary.

    That are losses of predictions: latency and errors of a service are not in the history, and
    business measures do not depend on the arms where predictions do not change outcomes.

    Returns:
        ``None`` without a rollout, where predictions change their labels, or where the outcome is
        no loss of predictions.
    """
    declared = spec.rollout
    if declared is None or not record_watches(declared, "refresh"):
        return None
    rollout, losses = rollout_of(declared, "refresh"), losses_of(spec)
    canary = rollout.canary
    if canary.outcome.name not in losses:
        return None
    guardrails = tuple(one for one in canary.guardrails if one.name in losses)
    update = {"guardrails": guardrails, "segments": (), "covariates": ()}
    return rollout.model_copy(update={"canary": canary.model_copy(update=update)})


@dataclass(frozen=True)
class CanaryEnd:
    """The end of a canary.

    Arguments:
        at: when it ended.
        promoted: whether the challenger is champion from then on.
        findings: of the last check.
    """

    at: datetime
    promoted: bool
    findings: tuple[Finding, ...]


class RefreshCanaries:
    """Canaries of refreshes, each replayed once.

    Arguments:
        predictions: of every candidate.
        spec: the declaration.
        rollout: from ``replayed_rollout``.
    """

    def __init__(self, predictions: Predictions, spec: ModelSpec, rollout: Rollout) -> None:
        self.predictions, self.spec, self.rollout = predictions, spec, rollout
        self._ends: dict[tuple[Version, Version], CanaryEnd] = {}

    def end(self, challenger: Version, champion: Version) -> CanaryEnd:
        """How a canary ends that is checked once a day from its challenger's Monday on.

        Arguments:
            challenger: admitted on its Monday; the shadow comes first.
            champion: the version in force.
        """
        if (challenger, champion) not in self._ends:
            self._ends[challenger, champion] = self._end(challenger, champion)
        return self._ends[challenger, champion]

    def evidence(
        self, challenger: Version, champion: Version, as_of: datetime
    ) -> CanaryEvidence | None:
        """The sums of both arms as of an instant; ``None`` before the first decision point."""
        ramp = self.ramp(challenger, as_of)
        history, canary = self.predictions.history, self.rollout.canary
        part = history.part(Window(ramp.began, as_of))
        if part.stop <= part.start:
            return None
        log = _entity_log(self.spec, history.rows.iloc[part])
        where = assign_entities(log.entities, ramp)
        code = log.rows["code"].to_numpy(np.int64)
        mine = _in_own_arm(log, where, ramp)
        predicted = self._answers(challenger, champion, part, where.challenger[code])
        people = np.unique(code[mine])
        entities = EnrolledEntities(
            entity=people,
            challenger=where.challenger[people],
            stage=where.stage[people],
            day=log.select(mine).enrolment_day(ramp.began)[people],
        )
        days, matured = log.days(ramp.began), history.matured(part, as_of)
        outcomes = {
            metric.name: MetricRows(
                code[mine],
                days[mine],
                self._losses(metric.name, part, as_of, predicted)[mine],
                matured[mine],
                np.ones(int(mine.sum())),
            )
            for metric in canary.metrics
        }
        return canary_sums(
            entities,
            outcomes,
            outcome=canary.outcome.name,
            elapsed_days=(as_of - ramp.began) / DAY,
            weeks=canary.weeks,
        )

    def _end(self, challenger: Version, champion: Version) -> CanaryEnd:
        found: tuple[Finding, ...] = ()
        at = challenger.as_of
        for at in self._checks(challenger):
            evidence = self.evidence(challenger, champion, at)
            if evidence is None:
                continue
            verdict = judge_refresh_canary(evidence, self.rollout)
            found = verdict.findings
            if verdict.step is CanaryStep.PROMOTE or verdict.step.ends:
                return CanaryEnd(at, verdict.step is CanaryStep.PROMOTE, found)
        return CanaryEnd(at, False, found)  # no decision point in all of its weeks

    def _checks(self, challenger: Version) -> Iterator[datetime]:
        began = challenger.as_of + self.rollout.shadow.duration
        for day in range(1, 7 * self.rollout.canary.weeks + 1):
            yield began + day * DAY

    def ramp(self, challenger: Version, as_of: datetime) -> Ramp:
        """The stages that have begun before an instant, the first one at least."""
        canary, began = self.rollout.canary, challenger.as_of + self.rollout.shadow.duration
        since = [began + step * canary.stage_duration for step in range(len(canary.stages))]
        begun = [at for at in since if at < as_of] or since[:1]
        salt = f"{self.spec.name}.{challenger.as_of:%Y-%m-%d}"
        return Ramp(salt=salt, since=tuple(begun), shares=canary.stages[: len(begun)])

    def _answers(
        self, challenger: Version, champion: Version, part: slice, challenged: Mask
    ) -> Floats:
        """Each row's prediction by the version of its arm."""
        new, old = (self.predictions.of(one.serves, part) for one in (challenger, champion))
        mask = challenged if new.ndim == 1 else challenged[:, None]
        return np.where(mask, new, old)

    def _losses(self, name: str, part: slice, as_of: datetime, predicted: Floats) -> Floats:
        """The loss of each row, NaN without a label that is known at an instant."""
        history, measure = self.predictions.history, loss_measure(self.spec, name)
        numbers = history.numbers(part, as_of)
        there, found = labelled(numbers), np.full(len(numbers), np.nan)
        if there.any():
            rows = history.rows.iloc[part][there].assign(label=numbers[there])
            found[there] = 0.0 - measure.utilities(numbers[there], predicted[there], rows)
        return found


def _entity_log(spec: ModelSpec, rows: pd.DataFrame) -> EntityLog:
    """The decision points of a canary as the log of a service has them, each answered."""
    keys = list(spec.points.keys)
    codes, entities = pd.factorize(pd.MultiIndex.from_frame(rows[keys]))
    times = pd.to_datetime(rows["decision_time"]).astype("datetime64[us]")
    log = pd.DataFrame({"code": codes, "event_time": times.to_numpy()})
    return EntityLog(log, pd.DataFrame(entities.tolist(), columns=keys))


def _in_own_arm(log: EntityLog, where: Assignment, ramp: Ramp) -> Mask:
    """The rows of entities whose stage had begun."""
    stage: Integers = where.stage[log.rows["code"].to_numpy(np.int64)]
    begun = np.array([at.replace(tzinfo=None) for at in ramp.since], "datetime64[us]")
    there = stage != NO_STAGE
    since = begun[np.where(there, stage, 0)]
    return np.asarray(there & (log.rows["event_time"].to_numpy("datetime64[us]") >= since))
