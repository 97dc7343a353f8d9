"""What a backtest means, in sentences for the terminal and the page."""

from __future__ import annotations

from pipelines.backtest.choice import NO_DECLARATION
from pipelines.backtest.results import BacktestReport, LossDifference, PolicyResult
from pipelines.core.counts import counted

WARNING = (
    "Choosing a declaration on the same history that it was compared on makes it look better than "
    "it is. Change it only for a difference that is large against its standard error, and look "
    "again after a few months."
)

MOST_FINDINGS = 3


def sentences(report: BacktestReport) -> tuple[str, ...]:
    """Which policy did best, how sure that is, and what the choice would have been earlier."""
    choice = report.choice
    declared, simple = report.policy(choice.declared), report.policy(choice.best_simple)
    best = report.policy(choice.best_declaration)
    return (
        _against_simple(report, declared, simple),
        *_against_naive(report, declared, simple),
        _against_best(report, declared, best),
        _first_half(report),
        *_held_back(declared),
        WARNING,
    )


def amount(report: BacktestReport, difference: LossDifference) -> str:
    """The size of a difference with its standard error and its share of the declared loss."""
    loss, size = abs(report.policy(report.reference).loss), abs(difference.estimate)
    share = f", {size / loss:.1%}" if loss else ""
    error = difference.standard_error
    noise = "" if error is None else f" (standard error {error:.2g}{share})"
    return f"{size:.4g} {report.metric}{noise}"


def _against_simple(report: BacktestReport, declared: PolicyResult, simple: PolicyResult) -> str:
    if simple.difference is None:
        return (
            f"The declared policy, {declared.name}, had the same versions in force as "
            f"{simple.name}, the best of the simple policies."
        )
    side = "more" if simple.difference.estimate < 0 else "less"
    sure = "beyond" if simple.difference.beyond_noise else "within"
    return (
        f"The declared policy, {declared.name}, lost {amount(report, simple.difference)} {side} "
        f"than {simple.name}, the best of the simple policies: {sure} two standard errors."
    )


def _against_naive(
    report: BacktestReport, declared: PolicyResult, simple: PolicyResult
) -> tuple[str, ...]:
    """Whether the declared policy was worth a model; nothing in reports of older versions."""
    naive = next((one for one in report.policies if one.group == "naive"), None)
    if naive is None:
        return ()
    if naive.difference is None:
        return ("The declared policy never had a version: the naive forecast answered throughout.",)
    side = "less" if naive.difference.estimate > 0 else "more"
    sure = "beyond" if naive.difference.beyond_noise else "within"
    found = (
        f"It lost {amount(report, naive.difference)} {side} than the naive forecast: {sure} two "
        "standard errors."
    )
    if naive.loss <= min(declared.loss, simple.loss):
        found += f" {simple.name} did not beat the naive forecast either: no model paid here."
    return (found,)


def _against_best(report: BacktestReport, declared: PolicyResult, best: PolicyResult) -> str:
    others = [name for name in report.choice.as_good if name != best.name]
    also = f" Not distinguishable from it: {'; '.join(others)}." if others else ""
    number = sum(one.group not in NO_DECLARATION for one in report.policies)
    compared = f"Of the {number} compared declarations,"
    if best.name == declared.name:
        return f"{compared} the declared one did best.{also}"
    gain = best.difference
    by = (
        "with the same versions in force"
        if gain is None
        else f"it lost {amount(report, gain)} less than the declared one"
    )
    return f"{compared} {best.name} would have done best: {by}.{also}"


def _held_back(declared: PolicyResult) -> tuple[str, ...]:
    """Which findings were most often against the candidates of the declared policy."""
    most = list(declared.held_back.items())[:MOST_FINDINGS]
    if not most:
        return ()
    counts = ", ".join(f"{name} ({counted(number, 'week')})" for name, number in most)
    return (f"Most often against a candidate of the declared policy: {counts}.",)


def _first_half(report: BacktestReport) -> str:
    choice = report.choice
    if choice.chosen_on_first_half == choice.declared:
        return "On the first half alone, the declared policy would have been chosen as well."
    later = choice.second_half
    result = "had the same versions in force as the declared one"
    if later is not None:
        side = "less" if later.estimate < 0 else "more"
        result = f"lost {amount(report, later)} {side} than the declared one"
    return (
        f"On the first half alone, {choice.chosen_on_first_half} would have been chosen; in the "
        f"second half it {result}."
    )
