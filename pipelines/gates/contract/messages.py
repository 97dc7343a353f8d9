"""One sentence about a checked expectation, for the person who is paged."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pipelines.quality.suite import ExpectationResult, columns_of


def sentence(
    name: str,
    expectation: Mapping[str, Any],
    result: ExpectationResult,
    considered: int,
    medians: Mapping[str, tuple[float, float]],
) -> str:
    """What was found, what was wanted and, of a failure, what the numbers suggest.

    Arguments:
        name: the finding's; its end says what is checked.
        considered: rows that were checked: those with a value.
        medians: fresh and training median of each column that has both.
    """
    kind, kwargs = expectation["type"], expectation["kwargs"]
    meta = expectation.get("meta") or {}
    subject = " and ".join(columns_of(kwargs)) or "table"
    note = f" {result.note}" if result.note else ""
    typical = meta.get("typical")
    if result.share is not None:
        wanted = _share(kwargs.get("mostly", 1.0))
        what = _condition(kind, kwargs)
        text = f"{subject}: {_share(result.share)} of {considered:,} fresh rows{note} {what}, "
        text += f"wanted at least {wanted}"
    elif result.observed is None and result.element_count is not None:
        text = f"{subject}: none of {result.element_count:,} fresh rows{note} has a value"
    elif kind == "expect_column_to_exist":
        text = f"{subject}: the column is {'there' if result.success else 'missing altogether'}"
    else:
        text = f"{subject}: {_what(kind, meta)} {_shown(result.observed)}, {_wanted(kwargs)}"
        if isinstance(typical, int | float):
            text += f"; {_shown(typical)} in training"
    if result.success:
        return text
    return text + _hint(name, kwargs, result, meta, medians)


def _condition(kind: str, kwargs: Mapping[str, Any]) -> str:
    if kind == "expect_column_values_to_be_between":
        low, high = kwargs.get("min_value"), kwargs.get("max_value")
        return f"lie in [{_shown(low)}, {_shown(high)}]"
    if kind == "expect_column_values_to_be_in_set":
        return f"are among the {len(kwargs.get('value_set') or ()):,} known values"
    phrases = {
        "expect_column_values_to_not_be_null": "have a value",
        "expect_column_values_to_be_null": "have no value",
        "expect_column_values_to_not_be_in_set": "are none of the forbidden values",
        "expect_column_values_to_be_unique": "are unique",
        "expect_compound_columns_to_be_unique": "are unique",
        "expect_column_values_to_match_regex": f"match {kwargs.get('regex')!r}",
        "expect_column_pair_values_a_to_be_greater_than_b": "are in order",
    }
    return phrases.get(kind, f"meet {kind.removeprefix('expect_')}")


def _what(kind: str, meta: Mapping[str, Any]) -> str:
    named = {"days": "days with rows:", "hours": "hours with rows:", "volume": "fresh rows:"}
    if meta.get("check") in named:
        return named[meta["check"]]
    found = re.fullmatch(r"expect_column_(.+)_to_be_between", kind)
    return found.group(1).replace("_", " ") if found else "observed"


def _wanted(kwargs: Mapping[str, Any]) -> str:
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    if low is not None and high is not None:
        return f"wanted between {_shown(low)} and {_shown(high)}"
    if low is not None or high is not None:
        bound, side = (low, "least") if high is None else (high, "most")
        return f"wanted at {side} {_shown(bound)}"
    shown = {key: value for key, value in kwargs.items() if key != "column"}
    return f"wanted {shown}"


def _hint(
    name: str,
    kwargs: Mapping[str, Any],
    result: ExpectationResult,
    meta: Mapping[str, Any],
    medians: Mapping[str, tuple[float, float]],
) -> str:
    """What the numbers suggest, as a question."""
    check = name.rsplit(".", maxsplit=1)[-1]
    column = kwargs.get("column", "")
    typical, scale = meta.get("typical"), meta.get("one_sign")
    if check in ("range", "median") and column in medians:
        now, then = medians[column]
        text = ""
        if check == "range":
            text = f"; median {_shown(now)} against {_shown(then)} in training"
        if scale and now and then and now * then > 0:
            factor = max(now / then, then / now)
            if factor >= 1.8:
                return f"{text}: a factor of {factor:.3g}. Was a unit changed?"
        return text + ". Has what it measures changed?"
    if check == "missing":
        return ". Was the column dropped or renamed upstream?"
    if check == "volume" and isinstance(result.observed, int | float) and typical:
        ratio = result.observed / float(typical)
        more = "Are rows sent twice?" if ratio > 1 else "Has part of the feed stopped?"
        return f" (a factor of {ratio:.2g}). {more}"
    questions = {
        "days": ". Did the feed stop?",
        "hours": ". Did the feed stop?",
        "categories": ". Are there new or renamed values?",
        "unique": ". Are rows sent twice?",
        "lag": ". Has a clock or a time zone moved?",
        "lag_median": ". Has a clock or a time zone moved?",
    }
    return questions.get(check, "")


def _share(value: float) -> str:
    text = f"{100 * value:.3g}"
    if text == "100" and value < 1:
        text = f"{100 * value:.6g}" if 100 * value < 99.9999 else "nearly 100"
    return f"{text} %"


def _shown(value: Any) -> str:
    if value is None:
        return "any"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1e5 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
