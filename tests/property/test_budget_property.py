"""No sequence of decisions allots more than a year's level, whatever is declared or tried when."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.findings import Finding, Gate, Verdict
from pipelines.gates.budget.findings import EXHAUSTED, LEVEL
from pipelines.release.budget import budget_account, budget_findings, budget_year
from pipelines.release.ledger import Entry, NewEntry
from pipelines.spec.training import BudgetGate

START = datetime(2026, 11, 1, tzinfo=UTC)
COMPARED = Finding(
    gate=Gate.RECENT_WINDOW,
    name="recent_window.primary",
    verdict=Verdict.PASS,
    reason="a test says so",
)
STEP = st.tuples(
    st.integers(0, 40),  # days since the one before
    st.integers(0, 12),  # which question
    st.sampled_from(["decision", "decision", "dry_run", "review"]),
    st.booleans(),  # whether it came to a comparison
    st.integers(1, 8),  # tries as declared at that moment
)


@given(st.lists(STEP, max_size=40), st.sampled_from(["live", "backtest"]))
def test_no_sequence_of_decisions_allots_more_than_the_year_has(
    steps: list[tuple[int, int, str, bool, int]], lineage: str
) -> None:
    chain: list[Entry] = []
    allowed: dict[int, dict[str, float]] = {}  # year: run: level it may promote at
    charged: dict[str, int] = {}
    at = START
    for wait, question, kind, compared, tries in steps:
        at += timedelta(days=wait)
        declared = BudgetGate(alpha_year=0.05, tries=tries)
        run, found = f"run-{question}", (COMPARED,) if compared else ()
        # A backtest may stand at any instant; here it walks backwards.
        as_of = at if lineage == "live" else START - (at - START)
        year = budget_year(lineage, as_of, at)
        answers = budget_findings(chain, declared, year, run, found)
        levels = {finding.name: finding.value for finding in answers}
        if compared and EXHAUSTED not in levels:
            level = levels[LEVEL]
            assert level is not None
            of = charged.setdefault(run, year)
            allowed.setdefault(of, {}).setdefault(run, level)
        draft = NewEntry.model_validate(
            {
                "model": "demand",
                "lineage": lineage,
                "kind": kind,
                "run": run,
                "as_of": as_of,
                "champion_before": None,
                "champion_after": None,
                "reasons": ("a test",),
                "findings": (*found, *answers),
            }
        )
        chain.append(Entry.append_to(draft, chain[-1] if chain else None, at))
    for year, levels_of in allowed.items():
        assert sum(levels_of.values()) <= 0.05 * (1 + 1e-6), f"{year}: {levels_of}"
        spent = budget_account(chain, BudgetGate(), year).spent
        assert abs(spent - sum(levels_of.values())) < 1e-12, "the ledger has another sum"
