"""The cost of the champion's age, and the account of refreshes."""

from datetime import timedelta

import pytest

from pipelines.core.time import parse_instant
from pipelines.gates.refresh.state import RefreshState, ReplacedAccount
from pipelines.monitoring.age import account_alarm, age_alarm, champion_age
from pipelines.monitoring.report import Cause
from pipelines.spec.model import ModelSpec
from pipelines.stats.ageing import PooledMean
from tests.support.sales_home import declaration

SPEC = ModelSpec.model_validate(declaration())  # minimum effect 0.5
TRAINED = parse_instant("2026-01-05")


def state(slope=0.1, error=0.01, age=6.0, weeks=10, lost=None):
    account = ReplacedAccount(
        version="2", as_of=TRAINED, replaced_at=TRAINED, weeks=8, lost=lost or 0.0
    )
    return RefreshState(
        weeks=weeks,
        candidates=5,
        cost=PooledMean(estimate=slope, standard_error=error, weeks=weeks, df=weeks - 1),
        evidence=1.0,
        age=age,
        minimum_effect=0.5,
        accounts=() if lost is None else (account,),
    )


def test_an_age_that_costs_a_minimum_effect_is_an_alarm_since_it_does():
    alarm = age_alarm(SPEC, state(), TRAINED)
    assert alarm.cost == pytest.approx(0.6)
    assert alarm.since == TRAINED + timedelta(weeks=5)
    assert champion_age(state()).cost == pytest.approx(0.6)


@pytest.mark.parametrize(
    "change", [{"age": 4.0}, {"error": 0.5}, {"weeks": 3}, {"slope": -0.1}], ids=str
)
def test_a_small_unsure_or_short_record_is_no_alarm(change):
    assert age_alarm(SPEC, state(**change), TRAINED) is None


def test_refreshes_that_lost_more_than_the_stop_allows_speak_for_the_replaced_version():
    assert account_alarm(SPEC, state(lost=50.0)) is None
    alarm = account_alarm(SPEC, state(lost=60.0))
    assert alarm.cause is Cause.EARLIER_VERSION
    assert alarm.cost == pytest.approx(60.0 / 8 * 0.5)
