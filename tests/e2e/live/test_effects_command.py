"""``gauntlet effects`` on a canary that helps some pharmacies and harms the others."""

from __future__ import annotations

import copy
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.causal.groups import Claim
from pipelines.causal.report import Advice, EffectsReport
from pipelines.core.errors import DataError, SpecError
from pipelines.core.time import instant_text
from pipelines.gates.canary.evidence import canary_evidence
from pipelines.release.rollout.state import ramp_of
from pipelines.reporting.effects.page import effects_page
from pipelines.reporting.effects.text import sentences
from tests.support.effects.measured import effects_of
from tests.support.pharmacy import SECOND, Pharmacy
from tests.support.rollout_factory import (
    CANARY,
    DAY,
    HOUR,
    ROLLOUT,
    VERDICT,
    WAIT,
    at,
    challenged,
    in_mlflow,
    run_canary,
    sales_factor,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def harmed(tmp_path_factory: pytest.TempPathFactory) -> Pharmacy:
    """Two weeks of canary: four times the packs online and in hospitals, half elsewhere."""
    rollout = copy.deepcopy(ROLLOUT)
    values = ["community", "hospital", "online"]
    rollout["canary"]["segments"] = [{"column": "kind", "values": values, "margin": 0.2}]
    pharmacy = challenged(tmp_path_factory.mktemp("effects"), rollout, mlflow=True)
    gains = {"hospital": sales_factor(4.0), "online": sales_factor(4.0)}
    report = run_canary(pharmacy, sales_factor(0.5), elsewhere=gains, mlflow=True)
    assert report.action == "canary", report.summary
    return pharmacy


def effects(pharmacy: Pharmacy, as_of: datetime = VERDICT, **others: Any) -> EffectsReport:
    return effects_of(at(pharmacy, VERDICT, **in_mlflow(pharmacy)), as_of, **others)


def test_the_harmed_group_is_named_although_the_mean_is_better(harmed: Pharmacy) -> None:
    report = effects(harmed)
    assert (report.version, report.against, report.arms) == ("2", "1", "canary")
    assert report.outcome.best.value > 0
    claims = {one.name: one.claim for one in report.declared}
    assert claims["kind = community"] is Claim.LOSES
    assert claims["kind = hospital"] is Claim.TOO_FEW, "the world has ten"
    assert [one.name for one in report.losers] == ["kind = community"]
    text = " ".join(sentences(report))
    assert "Where kind = community, it loses" in text
    if report.violated:  # one balance check in a hundred fails by chance
        assert report.advice is Advice.VOID
    else:
        assert report.advice is Advice.REVIEW_GROUPS
        assert "Before promoting it for all, decide about kind = community." in text


def test_the_average_is_what_the_canary_itself_reads(harmed: Pharmacy) -> None:
    """The canary's own sums to date, adjusted by the same covariate, give the same number."""
    parts = at(harmed, VERDICT, **in_mlflow(harmed))
    version = parts.versions.load("demand", "2")
    chain = parts.ledger.entries("demand")
    move = next(entry.transition for entry in reversed(chain) if entry.transition)
    events, ramp = parts.open_events(version.spec), ramp_of(chain, move.salt)
    shown = canary_evidence(events, version, ramp, VERDICT, other_version="1").evidence
    canary = version.spec.rollout.canary
    read = shown.to_date.difference(canary.outcome)
    report = effects(harmed)
    assert report.outcome.best.value == pytest.approx(read.estimate, rel=1e-12)
    few = read.small_sample
    assert report.outcome.best.standard_error == pytest.approx(few.standard_error, rel=1e-12)
    assert report.outcome.best.degrees == pytest.approx(few.degrees, rel=1e-12)
    assert few.standard_error == pytest.approx(read.standard_error, rel=0.05)
    [community] = (guard for guard in canary.segment_guards if guard.value == "community")
    group = next(one for one in report.declared if one.name == "kind = community")
    assert group.effect.value == pytest.approx(shown.to_date.difference(community).estimate)


def test_the_page_and_the_plot_show_each_group(harmed: Pharmacy) -> None:
    page = effects_page(effects(harmed))
    assert "kind = community" in page
    assert "<svg" in page


def test_errors_name_what_is_missing(harmed: Pharmacy) -> None:
    with pytest.raises(SpecError, match="never on live traffic"):
        effects(harmed, version="7")
    with pytest.raises(DataError, match="there is no canary to read yet"):
        effects(harmed, as_of=SECOND)
    with pytest.raises(DataError, match="there is no holdback to read yet"):
        effects(harmed, arms="holdback")
    with pytest.raises(DataError, match="no request was answered in the arms"):
        effects(harmed, as_of=CANARY + HOUR)
    first = CANARY + DAY + WAIT
    with pytest.raises(DataError, match=f"an instant from {instant_text(first)} on"):
        effects(harmed, as_of=first - HOUR)
    assert effects(harmed, as_of=first).outcome.best.challengers


def test_the_command_answers_first_and_writes_page_plot_and_json(
    harmed: Pharmacy, tmp_path: Path
) -> None:
    page, plot = tmp_path / "effects.html", tmp_path / "effects.png"
    command = ("effects", "demand", "--as-of", instant_text(VERDICT))
    answer = harmed.cli(*command, "--html", str(page), "--plot", str(plot))
    assert answer.code == 0, answer.err
    report = effects(harmed)
    assert answer.out.startswith(sentences(report)[0]), answer.out
    assert "kind = community" in page.read_text()
    assert plot.read_bytes().startswith(b"\x89PNG")
    body = harmed.cli(*command, "--json").body
    assert (body["kind"], body["advice"], body["version"]) == ("effects", report.advice, "2")
    assert body["outcome"]["adjusted"]["value"] == report.outcome.best.value


def test_the_command_names_what_is_wrong(harmed: Pharmacy) -> None:
    assert harmed.cli("effects", "demanded").code == 2
    unknown = harmed.cli("effects", "demand", "--rollout", "7")
    assert unknown.code == 2
    assert "one of ['2']" in unknown.err
    early = harmed.cli("effects", "demand", "--as-of", instant_text(SECOND))
    assert early.code == 3
    assert "version 2: shadow" in early.err
