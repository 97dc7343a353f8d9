"""The parts of an audit on rows made by hand: words, cells, label rules, logs, flags."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.core.errors import DataError
from pipelines.core.findings import Verdict
from pipelines.core.time import parse_instant
from pipelines.drift.describe_subgroup import describe_subgroup
from pipelines.drift.domain_classifier import Sample, domain_scores
from pipelines.gates.audit.audit import audit
from pipelines.gates.audit.refits import gain_noise
from pipelines.gates.availability.parity import parity_findings, replay
from pipelines.spec.model import ModelSpec
from pipelines.stats.undefined import TooFewRows
from pipelines.training.row_sets import AuditData, RecipeView, cluster_ids, row_ids

AS_OF = parse_instant("2026-04-01")


def recipe(*features: str, **changes: Any) -> ModelSpec:
    columns = {"shop": "string", "size": "float", "kind": "string", "answer": "float"}
    whole: dict[str, Any] = {
        "name": "toy",
        "description": "a number",
        "owner": "tests",
        "streams": {
            "asked": {
                "event_time": "at",
                "known_time": "seen",
                "columns": columns | {"told_at": "timestamp"},
            }
        },
        "points": {"kind": "event", "stream": "asked", "keys": ["shop"]},
        "label": {"kind": "own_row", "column": "answer", "known_at": "told_at", "horizon": "2d"},
        "features": [{"kind": "attribute", "name": name} for name in features or ("size", "kind")],
        "split": {"train": "56d", "recent": "28d"},
        "estimator": {
            "path": "sklearn.ensemble.HistGradientBoostingRegressor",
            "parameters": {"max_iter": 15},
        },
        "metric": {"name": "absolute_error", "minimum_effect": 0.05},
    }
    return ModelSpec.model_validate(whole | changes)


def rows(start: str, days: int, seed: int, per_day: int = 20) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = days * per_day
    size, shop = rng.normal(size=n), rng.integers(0, 30, n)
    kind = np.where(shop % 3 == 0, "b", "a")
    return pd.DataFrame(
        {
            "shop": [f"shop {number}" for number in shop],
            "decision_time": pd.Timestamp(start)
            + pd.to_timedelta(np.sort(rng.integers(0, days * 86400, n)), unit="s"),
            "size": size,
            "kind": kind,
            "label": 2 * size + 3 * (kind == "b") + rng.normal(size=n),
        }
    )


TRAINING, RECENT = rows("2026-01-05", 56, 1), rows("2026-03-04", 28, 2)


def audit_data(old: ModelSpec, new: ModelSpec, **others: Any) -> AuditData:
    same = {
        "training": {"champion": TRAINING, "candidate": TRAINING},
        "recent": {("champion", "champion"): RECENT},
    }
    return AuditData(champion=RecipeView(old), candidate=RecipeView(new), **{**same, **others})


def verdicts(found: AuditData) -> dict[str, Verdict]:
    report = audit(found, as_of=AS_OF, against="1")
    return {finding.name: finding.verdict for finding in report.findings}


# Words


@pytest.fixture
def sales() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    quantity = rng.integers(1, 200, 5000).astype(float)
    kind = np.where(quantity > 90, rng.choice(["hospital", "home"], 5000, p=[0.62, 0.38]), "home")
    return pd.DataFrame(
        {"quantity": quantity, "kind": kind, "region": rng.choice(["n", "s"], 5000)}
    )


WORDS = {"quantity": "quantity", "kind": "kind", "region": "region"}


def test_rows_above_a_limit_are_named_by_the_limit_and_by_what_is_typical(
    sales: pd.DataFrame,
) -> None:
    words = describe_subgroup(sales, (sales["quantity"] > 90).to_numpy(), WORDS)
    assert words.startswith("quantity above 90, 6")
    assert words.endswith("of them kind hospital")


def test_two_conditions_are_found_where_one_does_not_do(sales: pd.DataFrame) -> None:
    picked = ((sales["quantity"] > 90) & (sales["region"] == "n")).to_numpy()
    words = describe_subgroup(sales, picked, WORDS)
    assert "quantity above 90" in words
    assert "region n" in words
    assert " and " in words


def test_missing_values_are_a_rule_of_their_own(sales: pd.DataFrame) -> None:
    holes = sales.assign(quantity=sales["quantity"].where(sales["quantity"] < 150))
    assert describe_subgroup(holes, holes["quantity"].isna().to_numpy(), WORDS).startswith(
        "quantity missing"
    )


def test_rows_drawn_by_chance_are_described_by_no_rule(sales: pd.DataFrame) -> None:
    picked = np.random.default_rng(2).random(len(sales)) < 0.1
    assert (
        describe_subgroup(sales, picked, WORDS)
        == "by no rule of two conditions on declared columns"
    )


# Rows


def test_rows_are_the_same_whatever_the_width_and_order_of_their_columns() -> None:
    first = pd.DataFrame({"shop": [1, 1, 2], "decision_time": pd.to_datetime(["2026-01-01"] * 3)})
    second = first.astype({"shop": "float64"}).iloc[::-1].reset_index(drop=True)
    assert set(row_ids(("shop",), first)) == set(row_ids(("shop",), second))
    assert len(set(row_ids(("shop",), first))) == 3, "two points of one instant are two rows"
    assert len(set(cluster_ids(("shop",), first))) == 2, "and one cell of one entity and day"


def test_a_sample_keeps_whole_cells_and_the_same_ones_of_every_population() -> None:
    whole = Sample(TRAINING, cluster_ids(("shop",), TRAINING))
    turned = Sample(TRAINING[::-1], whole.clusters[::-1])
    kept = set(whole.subsample(300).clusters)
    assert 280 <= len(whole.subsample(300).clusters) <= 320
    assert kept == set(turned.subsample(300).clusters)
    assert sum(cell in kept for cell in whole.clusters) == len(whole.subsample(300).clusters)


def test_equal_populations_cannot_be_distinguished_and_shifted_ones_can() -> None:
    here, there = rows("2026-01-05", 56, 3), rows("2026-01-05", 56, 4)
    samples = [Sample(each, cluster_ids(("shop",), each)) for each in (here, there)]
    for method in ("trees", "logistic"):
        scores = domain_scores(samples[0], samples[1], ["size", "kind"], method, 1)
        assert abs(scores.auc.area - 0.5) < 4 * scores.auc.standard_error
        moved = Sample(there.assign(size=there["size"] + 1), samples[1].clusters)
        assert domain_scores(samples[0], moved, ["size", "kind"], method, 1).auc.area > 0.7


def test_logistic_regression_is_blind_to_a_change_of_scale_and_trees_are_not() -> None:
    here, there = rows("2026-01-05", 56, 3), rows("2026-01-05", 56, 4)
    wide = there.assign(size=there["size"] * 3)
    first, second = (Sample(each, cluster_ids(("shop",), each)) for each in (here, wide))
    assert domain_scores(first, second, ["size"], "logistic", 1).auc.area < 0.55
    assert domain_scores(first, second, ["size"], "trees", 1).auc.area > 0.65


def test_a_handful_of_rows_is_refused() -> None:
    few = Sample(TRAINING[:10], cluster_ids(("shop",), TRAINING[:10]))
    with pytest.raises(TooFewRows, match="too small"):
        domain_scores(few, few, ["size"], "trees", 1)


# Flags


def test_one_recipe_against_itself_has_nothing_to_flag() -> None:
    found = audit(audit_data(recipe(), recipe()), as_of=AS_OF, against="1")
    stopping = [f.name for f in found.findings if f.blocking and f.verdict is not Verdict.PASS]
    assert stopping == []
    assert found.own is not None
    assert found.own.total == 0
    assert found.movements[0].left_rows == found.movements[0].entered_rows == 0


def test_a_label_rule_that_pleases_the_candidate_is_flagged() -> None:
    def halved(part: pd.DataFrame) -> pd.DataFrame:
        return part.assign(label=part["label"] / 2)

    found = audit_data(
        recipe(),
        recipe(),
        training={"champion": TRAINING, "candidate": halved(TRAINING)},
        recent={("champion", "champion"): RECENT, ("champion", "candidate"): halved(RECENT)},
    )
    report = audit(found, as_of=AS_OF, against="1")
    assert report.finding("audit.label").verdict is Verdict.FAIL
    assert report.labels is not None
    assert report.labels.differ_share > 0.99
    assert report.own is not None
    assert report.own.total > 0, "half the label is half the error"
    assert report.own.terms["labels"] > 0
    assert sum(report.own.terms.values()) == pytest.approx(report.own.total, abs=1e-12)
    assert report.finding("audit.sign_flip").verdict is Verdict.FAIL


def test_labels_that_exist_for_one_answer_only_are_flagged() -> None:
    high = RECENT["size"] * 2 + 3 * (RECENT["kind"] == "b") > 1.5
    found = audit_data(
        recipe(),
        recipe("size"),
        recent={("champion", "champion"): RECENT.assign(label=RECENT["label"].where(high))},
    )
    assert verdicts(found)["audit.selective_labels"] is Verdict.FAIL


def test_labels_that_are_missing_by_chance_are_not() -> None:
    observed = np.random.default_rng(5).random(len(RECENT)) < 0.7
    found = audit_data(
        recipe(),
        recipe("size"),
        recent={("champion", "champion"): RECENT.assign(label=RECENT["label"].where(observed))},
    )
    assert verdicts(found)["audit.selective_labels"] is Verdict.PASS


def test_a_holdout_of_other_rows_is_not_weighted_to_live() -> None:
    """Half the live rows have features that no row of the candidate's holdout has."""
    kept = (RECENT["size"] > 0).to_numpy()
    found = audit_data(
        recipe(),
        recipe(),
        recent={("champion", "champion"): RECENT, ("candidate", "champion"): RECENT[kept]},
    )
    report = audit(found, as_of=AS_OF, against="1")
    caught = report.finding("audit.overlap")
    assert (caught.verdict, caught.blocking) == (Verdict.INCONCLUSIVE, False)
    assert report.weighted is not None


def test_a_feature_that_only_the_champion_calls_by_that_name_is_found_in_its_own_column() -> None:
    frame = RECENT.assign(champion_size=RECENT["size"] * 10)
    view = RecipeView(recipe("size"), {"size": "champion_size"}).view(frame)
    assert view["size"].tolist() == frame["champion_size"].tolist()
    assert list(view.columns) == ["shop", "decision_time", "label", "size"]


def test_noise_is_the_prediction_interval_of_one_more_gain() -> None:
    """By hand: gains 1, 2, 3 with deviation 1; t(0.95, 2) = 2.920; times sqrt(1 + 1/3)."""
    found = gain_noise(4.0, np.zeros(3), np.array([1.0, 2.0, 3.0]), alpha=0.05, resampled=False)
    assert found.noise == pytest.approx(2.920 * np.sqrt(4 / 3), abs=1e-3)
    assert (found.expected, found.luck_share) == (2.0, 0.5)


# Logs


def log(part: pd.DataFrame, **changed: Any) -> pd.DataFrame:
    shown = part.assign(**changed)
    return pd.DataFrame(
        {
            "request_id": [str(number) for number in range(len(part))],
            "version": "1",
            "event_time": part["decision_time"],
            "entity": [json.dumps({"shop": shop}) for shop in part["shop"]],
            "features": [
                json.dumps({"size": None if pd.isna(size) else size, "kind": kind})
                for size, kind in zip(shown["size"], shown["kind"], strict=True)
            ],
        }
    )


def test_values_that_differ_are_counted_and_one_is_shown() -> None:
    wrong = RECENT["size"].where(np.arange(len(RECENT)) % 10 != 0, RECENT["size"] + 0.5)
    found = replay(recipe(), RECENT, log(RECENT, size=wrong))
    size, kind = found.features
    assert (size.unequal, kind.unequal) == (len(RECENT) // 10, 0)
    assert "served" in size.examples[0]
    named = {finding.name: finding for finding in parity_findings(found, recipe())}
    assert named["availability.parity.size"].verdict is Verdict.FAIL
    assert named["availability.parity.kind"].verdict is Verdict.PASS


def test_one_wrong_value_in_many_is_not_yet_a_verdict() -> None:
    """1 in 560 is above 0.1 %, and its interval reaches below."""
    once = RECENT["size"].where(np.arange(len(RECENT)) != 5, 0.0)
    found = replay(recipe(), RECENT, log(RECENT, size=once))
    assert parity_findings(found, recipe())[0].verdict is Verdict.INCONCLUSIVE


def test_a_value_served_as_missing_is_reported_as_such() -> None:
    holes = RECENT["size"].where(np.arange(len(RECENT)) % 4 != 0)
    found = replay(recipe(), RECENT, log(RECENT, size=holes))
    assert found.features[0].filled_share == pytest.approx(0.25)
    both = replay(recipe(), RECENT.assign(size=holes), log(RECENT, size=holes))
    assert both.features[0].unequal == 0, "missing on both sides is equal"


def test_requests_about_unknown_points_and_unlogged_features_are_counted() -> None:
    requested = log(RECENT)
    later = requested.assign(event_time=requested["event_time"] + pd.Timedelta("1s"))
    found = replay(recipe(), RECENT, later)
    assert (found.compared, found.unlogged) == (0, ("size", "kind"))
    assert found.unknown > 0.9 * len(RECENT)


@pytest.mark.parametrize(
    ("column", "text"), [("features", "[1]"), ("features", "{"), ("entity", '{"till": "3"}')]
)
def test_a_log_that_cannot_be_read_is_an_error(column: str, text: str) -> None:
    with pytest.raises(DataError, match="prediction log"):
        replay(recipe(), RECENT, log(RECENT).assign(**{column: text}))
