"""A trial of a retraining on few rows: whether it gets as far as a comparison, and what it detects.

The steps are those of a retraining, in a folder that is removed. Only the training rows and the
seeds are fewer, and the candidate's directory is not written. So a trial shows what declaration,
data and installed packages already decide; it does not show whether a candidate is better.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import Field

from pipelines.core.errors import DataError, GauntletError, IntegrityError, SpecError
from pipelines.core.findings import Finding, Gate, Verdict
from pipelines.core.records import Record
from pipelines.flows.frames import FRAME
from pipelines.flows.retrain.evaluate import evaluate_candidate
from pipelines.flows.retrain.run import Run
from pipelines.flows.retrain.train import train_candidate

if TYPE_CHECKING:
    from pipelines.gates.recent_window.record import Evaluation

TRIAL_ROWS = 5_000  # labelled training rows
MATURITY = "recent_window.maturity"


class DetectableGain(Record):
    """The gain that the recent window detects, from the noise of a trial candidate's comparison."""

    metric: str
    against: str = Field(description="champion, or naive_forecast if there is no champion")
    days: int = Field(description="days of the recent window that have a label")
    entities: int
    level: float = Field(description="one-sided level of the test")
    power: float = Field(description="probability of detecting a true gain of this size")
    gain: float = Field(description="in the metric's unit")
    minimum_effect: float = Field(description="as declared, in the metric's unit")
    days_for_minimum_effect: int | None = Field(
        description="length of a recent window that detects the minimum effect; none within years"
    )


class TrialResult(Record):
    """The result of a trial: reasons why a retraining would end without a verdict."""

    problems: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = Field(default=(), description="about the champion")
    detectable: DetectableGain | None = None


def try_training(run: Run) -> TrialResult:
    """Train on few rows of the run's frame and compare on its recent window.

    Arguments:
        run: an opened run in a folder of its own; its frame has been written, and is thinned here.
    """
    from pipelines.training.estimator import declared_estimator

    run = replace(run, spec=run.spec.model_copy(update={"seeds": run.spec.seeds[:1]}))
    wrong: list[str] = []
    try:
        declared_estimator(run.spec, run.spec.seeds[0])
    except SpecError as problem:  # reported also where the rows are too few to train
        wrong.append(_sentence(problem))
    try:
        _thin_frame(run)
        trained = train_candidate(run, trial=True)
        evaluation = evaluate_candidate(run, trained)
    except (DataError, IntegrityError, SpecError) as problem:
        return TrialResult(problems=tuple(dict.fromkeys([*wrong, _sentence(problem)])))
    immature = [f for f in evaluation.findings if f.name == MATURITY and _ends_a_run(f)]
    undecided = immature or [f for f in evaluation.findings if _ends_a_run(f)]
    failed = [f for f in trained.findings if f.blocking and f.verdict is not Verdict.PASS]
    return TrialResult(
        problems=tuple(f"{finding.name}: {finding.reason}" for finding in (*failed, *undecided)),
        findings=tuple(f for f in evaluation.findings if f.gate is Gate.CHAMPION),
        detectable=_detectable(run, evaluation),
    )


def _sentence(problem: GauntletError) -> str:
    hint = f"; {problem.hint}" if problem.hint else ""
    wanted = f", wanted {problem.wanted}" if problem.wanted else ""
    return f"{problem.summary}{wanted}{hint}"


def _ends_a_run(finding: Finding) -> bool:
    """Whether a finding blocks for a reason that does not depend on the candidate."""
    return finding.blocking and finding.verdict is Verdict.NO_DATA


def _thin_frame(run: Run) -> None:
    """Keep ``TRIAL_ROWS`` of the labelled training rows, spread over time, and all later rows."""
    import numpy as np
    import pandas as pd
    import pyarrow.parquet as pq

    from pipelines.features.frame_rows import table_at
    from pipelines.training.sample import spread_rows

    path = run.workspace.path(FRAME)
    rows = pd.read_parquet(path, columns=["decision_time", "matured_at", "label"])
    start, end = (
        pd.Timestamp(bound).tz_localize(None)
        for bound in (run.plan.train.start, run.plan.recent.start)
    )
    training = (rows["decision_time"] >= start) & (rows["decision_time"] < end)
    usable = training & rows["label"].notna()
    for stretch in run.spec.split.exclude:
        usable &= ~stretch.touches(rows["decision_time"], rows["matured_at"])
    usable &= rows["decision_time"] < pd.Timestamp(run.plan.train.end).tz_localize(None)
    most = max(TRIAL_ROWS, 2 * run.spec.gates.recent_window.minimum_rows)
    if int(usable.sum()) <= most:
        return
    ordered = rows[usable].sort_values("decision_time", kind="stable")
    chosen = spread_rows(run.spec, ordered, most).index
    keep = np.asarray(~training) | np.isin(np.arange(len(rows)), chosen)
    subsample = table_at(path, np.flatnonzero(keep))
    run.workspace.write(FRAME, lambda part: pq.write_table(subsample, part))


def _detectable(run: Run, evaluation: Evaluation) -> DetectableGain | None:
    from pipelines.gates.recent_window.findings import POWER

    primary = next(iter(evaluation.comparisons), None)
    if primary is None or primary.difference is None:
        return None
    spec, difference = run.spec, primary.difference
    champion = evaluation.baseline == "champion"
    level = spec.promoting_level if champion else spec.gates.recent_window.alpha
    effect = spec.metric.minimum_effect
    return DetectableGain(
        metric=primary.metric,
        against=evaluation.baseline,
        days=difference.days,
        entities=difference.entities,
        level=level,
        power=POWER,
        gain=difference.minimum_detectable_effect(level, POWER),
        minimum_effect=effect,
        days_for_minimum_effect=difference.days_to_detect(effect, level, POWER),
    )
