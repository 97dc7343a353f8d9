from datetime import UTC, datetime, timedelta

import pytest

from pipelines.backtest.sweep import retrains_in_week, variations
from pipelines.core.errors import SpecError
from pipelines.spec.model import ModelSpec
from tests.support.backtest.drifting_shops import DECLARATION

GUARDED = {**DECLARATION, "guardrails": [{"name": "squared_error", "margin": 0.1}]}
SPEC = ModelSpec.model_validate(GUARDED)


def test_every_combination_but_the_declared_one():
    found = variations(SPEC, ["split.train=28d,56d", "gates.refresh.evidence=better,likely"])
    assert [one.name for one in found] == [
        "split.train=28d, gates.refresh.evidence=better",
        "split.train=28d, gates.refresh.evidence=likely",
        "split.train=56d, gates.refresh.evidence=better",
    ]
    assert found[0].spec.split.train == timedelta(days=28)
    assert found[0].spec.gates.refresh.evidence == "better"
    assert found[2].spec.recipe == SPEC.recipe != found[0].spec.recipe


def test_a_margin_is_found_by_its_metric():
    (one,) = variations(SPEC, ["guardrails.squared_error.margin=0.5"])
    assert one.spec.guardrails[0].margin == 0.5


def test_a_schedule_is_swept_by_weeks():
    first, second = variations(SPEC, ['schedule=@monthly,"0 6 1,15 * *"'])
    assert (first.schedule, second.schedule) == ("@monthly", "0 6 1,15 * *")
    mondays = [datetime(2026, 6, 1, tzinfo=UTC) + number * timedelta(days=7) for number in range(5)]
    assert [retrains_in_week("@monthly", at) for at in mondays] == [True, *[False] * 3, True]
    assert [retrains_in_week("0 6 1,15 * *", at) for at in mondays] == [
        True,
        False,
        True,
        False,
        True,
    ]
    assert retrains_in_week("0 0 * * 1", mondays[0])
    assert retrains_in_week(None, mondays[0])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gates.refresh.evidense=better", "gates.refresh.evidence"),
        ("estimator.path=sklearn.svm.SVR", "cannot be swept"),
        ("gates.refresh.evidence=eager", "not valid"),
        ("schedule=weekly", "not a cron expression"),
        ("split.train", "a key and its values"),
        ("split.train=", "a key and its values"),
        ("gates.refresh.cost=" + ",".join(map(str, range(1, 70))), "too many"),
    ],
)
def test_what_cannot_be_swept_is_named(text, words):
    with pytest.raises(SpecError) as problem:
        variations(SPEC, [text])
    assert words in str(problem.value)
