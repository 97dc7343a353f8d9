"""Four ways in which an offline gain is no gain, planted where the truth is known.

Each test first shows that the plain harness ships the change and that production would lose, and
then that the audit names the cause.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pytest

from pipelines.adapters.objects.local import LocalStore
from pipelines.core.findings import Gate, Verdict
from pipelines.data.events import FileEvents
from pipelines.data.ingest.partitions import write_events
from pipelines.data.snapshot import open_streams, take_snapshot
from pipelines.gates.audit.audit import audit
from pipelines.gates.audit.record import Audit
from pipelines.gates.availability.parity import Parity, parity_findings, replay
from pipelines.spec.model import ModelSpec
from pipelines.spec.predictions import LOG, Arm
from pipelines.spec.predictions import prediction_log as declared_log
from pipelines.training.fit import fit
from pipelines.training.row_sets import AuditData
from pipelines.training.score import score
from tests.support.live.simulated_log import Skew, prediction_log, served_features
from tests.trap.order_size import (
    AS_OF,
    CHAIN,
    DAY,
    MEDICINE,
    REGION,
    SMALL_FOREST,
    USUAL,
    WARDS,
    WEEKDAY,
    answers,
    audit_data,
    declare,
    events,
    plain_harness,
    production_gain,
    truth,
)


def audited(found: AuditData, **more: object) -> Audit:
    return audit(found, as_of=AS_OF, against="the champion", **more)  # type: ignore[arg-type]


def blocking(found: Audit) -> set[str]:
    return {f.name for f in found.findings if f.blocking and f.verdict is not Verdict.PASS}


# A feature that is slightly different when served


@cache
def skewed() -> AuditData:
    old, new = declare(MEDICINE, REGION, WEEKDAY), declare(MEDICINE, REGION, WEEKDAY, USUAL)
    return audit_data(old, new)


def in_shadow(found: AuditData, skews: tuple[Skew, ...]) -> tuple[pd.DataFrame, np.ndarray]:
    """The candidate in shadow: features as served, and what it answers to them."""
    arm = found.candidate
    fitted = fit(arm.spec, arm.view(found.training["candidate"]), 1)
    rows = arm.view(found.live)
    served = served_features(arm.spec, rows, skews, seed=1)
    observed = rows.assign(**{str(name): served[name] for name in served})
    return served, score(fitted.pipeline, arm.spec, observed).predictions


def through_the_log(
    spec: ModelSpec, rows: pd.DataFrame, served: pd.DataFrame, output: np.ndarray, home: Path
) -> Parity:
    """Written to the store as any stream, read back as any stream, and replayed."""
    store, stream = LocalStore(home / "store"), declared_log(spec.name)
    log = prediction_log(spec, rows, served, output, version="2", arm=Arm.SHADOW)
    assert stream.source.kind == "files"
    write_events(store, str(stream.source.path), log, str(stream.known_time))
    declared = spec.model_copy(update={"streams": {LOG: stream}})
    snapshot = take_snapshot(declared.streams, AS_OF, {LOG: FileEvents(store)}, home / "cache")
    opened = open_streams(snapshot, declared.streams, home / "cache", ibis.duckdb.connect())[LOG]
    read = opened.order_by(["event_time", "request_id"]).to_pandas()
    return replay(spec, rows, read)


LEAVES_OUT_RETURNS = Skew(feature="usual_packs", factor=1.3, share=0.9)


def test_a_feature_served_differently_is_named(tmp_path: Path) -> None:
    found = skewed()
    live, best = found.live, truth(found.live)
    champion = answers(found.champion, found.training["champion"], live, 1)
    served, output = in_shadow(found, (LEAVES_OUT_RETURNS,))
    assert plain_harness(found) > 0.1, "offline the feature has to look like a clear gain"
    assert np.mean((output - best) ** 2) > np.mean((champion - best) ** 2) + 0.1, (
        "served as it is, the feature has to make production worse"
    )

    parity = through_the_log(found.candidate.spec, live, served, output, tmp_path)
    assert (parity.compared, parity.unknown) == (len(live), 0)
    named = {f.name: f for f in parity_findings(parity, found.candidate.spec)}
    caught = named["availability.parity.usual_packs"]
    assert (caught.verdict, caught.gate) == (Verdict.FAIL, Gate.AVAILABILITY)
    assert caught.value is not None
    assert caught.interval is not None
    assert caught.interval.low is not None
    assert caught.interval.high is not None
    assert caught.interval.low <= 0.9 <= caught.interval.high, "nine in ten requests were changed"
    others = {name: f.verdict for name, f in named.items() if f is not caught}
    assert set(others.values()) == {Verdict.PASS}, f"only one feature was changed: {others}"

    report = audited(found, unequal=parity.shares())
    assert report.finding("audit.feature").verdict is Verdict.FAIL
    assert "usual_packs" in report.finding("audit.feature").reason


def test_features_served_as_they_are_computed_pass(tmp_path: Path) -> None:
    found = skewed()
    served, output = in_shadow(found, ())
    parity = through_the_log(found.candidate.spec, found.live, served, output, tmp_path)
    assert {each.unequal for each in parity.features} == {0}
    assert parity.unlogged == ()


# A backfill of rows from another source into training


@cache
def backfilled() -> AuditData:
    return audit_data(declare(), declare(stream="with_wards"), with_wards=events(WARDS))


def test_a_backfill_from_another_source_is_named() -> None:
    found = backfilled()
    assert plain_harness(found) > 1, "on rows with the wards, training on wards has to look good"
    assert production_gain(found) < -1, "no request is about wards, and all other requests lose"

    report = audited(found)
    caught = report.finding("audit.training_population")
    assert (caught.verdict, caught.blocking) == (Verdict.FAIL, True)
    assert caught.interval is not None
    assert caught.interval.low is not None
    assert caught.interval.low > 0.55
    training = report.movements[0]
    assert training.left_rows == 0
    assert training.entered_share == pytest.approx(0.3 / 1.3, abs=0.02), "0.3 rows for each row"
    assert "ward" in training.entered
    assert report.finding("audit.sign_flip").verdict is Verdict.FAIL
    assert report.finding("audit.live").verdict is Verdict.FAIL


# Outliers trimmed from training, both arms scored on what is left


@cache
def trimmed() -> AuditData:
    return audit_data(declare(), declare(where=({"column": "quantity", "at_most": 3},)))


def test_trimming_outliers_flips_the_sign() -> None:
    found = trimmed()
    assert plain_harness(found) > 0.05, "on trimmed rows, training on trimmed rows looks good"
    assert production_gain(found) < -0.05, "production has large prescriptions as well"

    report = audited(found)
    assert report.own is not None
    assert report.own.total > 0 > report.live.difference.estimate
    assert sum(report.own.terms.values()) == pytest.approx(report.own.total, abs=1e-12)
    caught = report.finding("audit.sign_flip")
    assert (caught.verdict, caught.blocking) == (Verdict.FAIL, True)
    assert report.weighted is not None
    assert report.weighted.gain > 0, (
        "weights by features cannot undo a filter by what no feature tells: the reader has to see "
        "that this number is wrong here, and why it does not decide"
    )
    left = report.movements[0]
    assert left.left.startswith("quantity above 3, ")
    assert "of them kind hospital" in left.left
    large = found.training["champion"]["label"] > 3
    assert left.left_share == pytest.approx(float(large.mean()))


# An encoding whose gain is the baseline's own noise


@cache
def encoded() -> AuditData:
    usual = (MEDICINE, REGION, CHAIN, WEEKDAY)
    return audit_data(
        declare(*usual, estimator=SMALL_FOREST), declare(*usual, DAY, estimator=SMALL_FOREST)
    )


def test_a_gain_that_is_the_baselines_own_noise_is_named() -> None:
    """Seeds 1 to 4, the first that anyone takes; the truth is the mean over twenty others."""
    found = encoded()
    assert plain_harness(found) > 0.002, "four seeds have to show a gain worth a promotion"
    assert production_gain(found, tuple(range(101, 121))) < 0, "the day of the month has no effect"

    report = audited(found)
    caught = report.finding("audit.baseline_instability")
    assert caught.verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE)
    assert caught.blocking
    assert "of it is noise" in caught.reason
    refits = report.refits
    assert refits is not None
    assert refits.how == "seeds"
    assert 0.002 <= refits.gain <= refits.noise


def test_an_estimator_without_a_seed_is_refitted_on_resampled_rows() -> None:
    refits = audited(trimmed()).refits
    assert refits is not None
    assert refits.how == "resampled rows"
    assert refits.spread_champion > 0


def test_a_change_that_is_better_where_it_counts_is_not_stopped() -> None:
    """The same audit lets an honest feature pass: it is no wall against every change."""
    report = audited(skewed())
    assert blocking(report) == set()
    assert report.finding("audit.live").verdict is Verdict.PASS
