"""The audit inside a retraining, and by hand: real parts, a changed recipe, a logged service."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from pipelines.core.errors import IntegrityError
from pipelines.core.findings import Verdict
from pipelines.core.time import instant_text
from pipelines.flows.audit import ManualAudit, audit_recipes, choose_pair
from pipelines.flows.retrain.parity import candidate_preprocessing
from pipelines.flows.retrain.train import CANDIDATE
from pipelines.release.budget import tries
from tests.support.live.served_log import log_predictions
from tests.support.live.simulated_log import Skew, served_features
from tests.support.pharmacy import PLAIN, RICH, SECOND, Pharmacy, RetrainResult, declaration


def logged(champion: Pharmacy, folder: Path, *skews: Skew) -> Pharmacy:
    """The champion's service, logged for six days, with what goes wrong in it."""
    pharmacy = champion.twin(folder)
    log_predictions(pharmacy, lambda spec, rows: served_features(spec, rows, skews, seed=1))
    return pharmacy


@pytest.fixture(scope="module")
def changed(
    champion: Pharmacy, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Pharmacy, RetrainResult]:
    """A recipe with another `sold`, and a service without faults."""
    pharmacy = logged(champion, tmp_path_factory.mktemp("audited"))
    pharmacy.declare(RICH)
    return pharmacy, pharmacy.retrain(SECOND, dry_run=True)


def test_a_changed_recipe_is_audited_by_itself(changed: tuple[Pharmacy, RetrainResult]) -> None:
    _, reported = changed
    names = {f.name for f in reported.done.findings}
    assert names >= {
        "audit.live",
        "audit.sign_flip",
        "audit.training_population",
        "audit.overlap",
        "audit.feature",
        "audit.selective_labels",
        "audit.baseline_instability",
    }
    audited = reported.done.evidence.audit
    assert audited is not None
    assert audited.audit is not None
    assert any(change.startswith("features.on_hand: added") for change in audited.audit.changes)
    assert len(audited.audit.distances) <= 24


def test_what_was_served_is_held_against_what_is_computed_before_anything_is_trained(
    champion: Pharmacy, tmp_path: Path
) -> None:
    capitals = Skew(feature="medicine", upper=True, share=0.5)
    pharmacy = logged(champion, tmp_path, capitals)
    pharmacy.declare(RICH)
    reported = pharmacy.retrain(SECOND, dry_run=True)
    assert reported.skipped == ("train", "evaluate", "record", "audit", "register")
    named = {f.name: f for f in reported.done.findings if f.name.startswith("availability.parity.")}
    medicine = named["availability.parity.medicine"]
    assert (medicine.verdict, medicine.blocking) == (Verdict.FAIL, True)
    assert medicine.interval is not None
    assert medicine.interval.low is not None
    assert medicine.interval.high is not None
    assert medicine.interval.low <= 0.5 <= medicine.interval.high
    assert "likely cause: type" in medicine.reason
    for feature in ("weekday", "sold"):
        assert named[f"availability.parity.{feature}"].verdict is Verdict.PASS, (
            "the champion's own features are computed from its columns of the common frame"
        )
        assert not named[f"availability.parity.{feature}"].blocking, "the candidate has no such"
    assert set(reported.against()) == {"availability.parity.medicine"}, (
        "what the service made of the capitals is what the version makes of them"
    )

    name = "availability.parity.medicine"
    waived = pharmacy.retrain(SECOND, dry_run=True, waive=(name,), reason="seen, is mended")
    assert waived.skipped == ("register",)
    assert waived.done.evidence.audit is not None
    by_name = {f.name: f for f in waived.done.evidence.audit.findings}
    assert "medicine" in by_name["audit.feature"].reason, "the audit still knows what was unequal"


def test_a_service_that_is_as_it_should_be_leaves_nothing_against_the_candidate(
    changed: tuple[Pharmacy, RetrainResult],
) -> None:
    _, reported = changed
    found = {f.name: f.verdict for f in reported.done.findings if "parity" in f.name}
    assert {
        "availability.parity.medicine",
        "availability.parity.preprocessing",
        "availability.parity.prediction",
        "availability.parity.candidate_preprocessing",
    } <= set(found)
    assert set(found.values()) == {Verdict.PASS}


def test_a_candidate_that_was_changed_on_the_disk_is_not_loaded(
    changed: tuple[Pharmacy, RetrainResult],
) -> None:
    run = changed[1].done.run
    assert run.champion is not None
    path = run.workspace.path(CANDIDATE) / "model.skops"
    written = path.read_bytes()
    path.write_bytes(b"other")
    try:
        with pytest.raises(IntegrityError, match="not what was written"):
            candidate_preprocessing(run, run.champion)
    finally:
        path.write_bytes(written)


def test_a_log_that_cannot_be_read_stops_the_candidate_and_gives_a_reason(
    champion: Pharmacy, tmp_path: Path
) -> None:
    pharmacy = logged(champion, tmp_path)
    for path in (tmp_path / "store" / "predictions").rglob("*.parquet"):
        log = pq.read_table(path)
        at = log.schema.get_field_index("features")
        pq.write_table(log.set_column(at, "features", pa.array(["{"] * len(log))), path)
    reported = pharmacy.retrain(SECOND, dry_run=True)
    assert reported.against()["availability.parity"] == "no_data"


def test_the_same_recipe_is_replayed_and_not_audited(champion: Pharmacy, tmp_path: Path) -> None:
    pharmacy = champion.copy(tmp_path / "home")
    reported = pharmacy.retrain(SECOND, dry_run=True)
    assert reported.done.evidence.audit is not None
    assert (reported.done.evidence.audit.audit, reported.done.evidence.audit.findings) == (None, ())


def test_the_audit_by_hand_reports_the_same_as_text_and_as_json(
    changed: tuple[Pharmacy, RetrainResult], tmp_path: Path
) -> None:
    pharmacy = Pharmacy(tmp_path / "home", changed[0].store)
    pharmacy.declare(RICH)
    path = tmp_path / "demand.yaml"
    path.write_text(yaml.safe_dump(declaration(PLAIN)))
    words = ("audit", "demand", "--against", str(path), "--as-of", instant_text(SECOND))
    script = pharmacy.cli(*words, "--json")
    assert script.code == (1 if script.body["stopped"] else 0), script.err
    terms = script.body["own"]["terms"]
    assert sum(terms.values()) == pytest.approx(script.body["own"]["total"])
    assert script.body["ledger_entry"] is None, "there is no champion, so nothing was challenged"
    people = pharmacy.cli(*words, "--all")
    assert people.code == script.code
    for answers in (
        "On live points",
        "new model",
        "new rows",
        "new labels",
        "audit.live",
        "no try used",
    ):
        assert answers in people.out, people.out + people.err


# An audit by hand shows what the error budget rations


def spent(pharmacy: Pharmacy) -> tuple[list[str], int]:
    """Kinds of the ledger's entries, and how many tries they are."""
    parts = pharmacy.parts()
    entries, budget = parts.ledger.entries("demand"), parts.load_spec("demand").gates.budget
    return [entry.kind for entry in entries], len(tries(entries, budget))


def other_home(folder: Path) -> Path:
    (folder / "models").mkdir()
    return folder / "models" / "demand.yaml"


def by_hand(pharmacy: Pharmacy, against: str | None = None) -> ManualAudit:
    collaborators = pharmacy.parts().retraining
    return audit_recipes(collaborators, choose_pair(collaborators, "demand", against), SECOND)


def test_a_look_at_a_new_recipe_is_a_try_once_and_its_retraining_costs_no_more(
    champion: Pharmacy, tmp_path: Path
) -> None:
    pharmacy = champion.copy(tmp_path / "home")
    pharmacy.declare(RICH)
    first = by_hand(pharmacy)
    assert first.entry is not None
    assert "recorded in the ledger: 2025 has spent 0.05 of 0.2 on 1 try, 3 left" in first.summary
    assert spent(pharmacy) == (["first_version", "audit"], 1)
    path = other_home(tmp_path)
    path.write_text(yaml.safe_dump(declaration(PLAIN)))
    assert by_hand(pharmacy, str(path)).entry == first.entry, (
        "the same recipe on the same rows, whatever it is compared with, is one look"
    )
    dry = pharmacy.retrain(SECOND, dry_run=True)
    assert dry.done.run.id == first.entry.run
    assert "recent_window.primary" in {finding.name for finding in dry.done.findings}, (
        "a dry run after an audit is judged by its own findings"
    )
    done = pharmacy.retrain(SECOND)
    assert done.outcome in {"promote", "hold", "reject"}
    assert spent(pharmacy)[1] == 1, "an audit, a dry run and the run of one question are one try"
    assert pharmacy.parts().ledger.verify("demand") == 4


def test_the_champions_own_recipe_may_be_audited_freely(champion: Pharmacy, tmp_path: Path) -> None:
    pharmacy = champion.copy(tmp_path / "home")
    path = other_home(tmp_path)
    path.write_text(yaml.safe_dump(declaration(RICH)))
    observed = by_hand(pharmacy, str(path))
    assert observed.entry is None
    assert observed.summary == "no try used: the recipe is the champion's"
    assert spent(pharmacy) == (["first_version"], 0)
