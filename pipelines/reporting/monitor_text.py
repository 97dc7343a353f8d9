"""The result of monitoring as one screen of text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from datetime import timedelta

from pipelines.core.counts import counted
from pipelines.core.findings import Interval
from pipelines.core.time import instant_text, rounded_text
from pipelines.monitoring.report import ActionKind, Alarm, MonitorReport, WeekPerformance
from pipelines.monitoring.training_range import SOURCES, least_inside

WIDTH = 100
SHOWN_WEEKS = 8
SHOWN_DIFFERENCE = 0.02  # of an estimated share of a class
HEALTH = {
    "healthy": "healthy",
    "degraded": "degraded",
    "broken_data": "broken data",
    "unknown": "unknown, too few labels have matured",
}
ACTIONS = {
    ActionKind.FIX_FEED: "fix the feed",
    ActionKind.WAIT_FOR_LABELS: "wait for labels",
    ActionKind.CHECK_LABEL: "check the label's definition",
    ActionKind.ROLL_BACK: "roll back",
    ActionKind.ADD_CATEGORY: "add the new category",
    ActionKind.RETRAIN: "retrain now",
    ActionKind.NONE: "none",
}


def monitor_text(report: MonitorReport) -> tuple[str, ...]:
    """The lines of the screen; the first is its heading."""
    heading = f"{report.model} version {report.version}, as of {instant_text(report.as_of)}"
    return (
        f"{heading}: {HEALTH[report.health]}",
        "",
        *_action(report),
        "",
        *_alarms(report),
        "",
        *_performance(report),
        *_measures(report),
        *_estimates(report),
        *_attribution(report),
        *_age(report),
        *_ranges(report),
        *_label_shares(report),
        *_arrivals(report),
    )


def _action(report: MonitorReport) -> Iterator[str]:
    action, unit = report.action, report.performance.metric
    gain = "" if action.gain is None else f", worth about {action.gain:.3g} {unit} a point"
    yield f"Action: {ACTIONS[action.kind]}{gain}"
    yield from _wrapped(action.reason)
    if action.next_step:
        yield from _wrapped(f"Next: {action.next_step}")
    if report.retraining_hold:
        yield from _wrapped(f"The DAGs do not retrain now: {report.retraining_hold}")


def _alarms(report: MonitorReport) -> Iterator[str]:
    if not report.alarms:
        yield "No alarm"
        return
    yield f"Alarms: {len(report.alarms)}"
    unit = report.performance.metric
    for alarm in report.alarms:
        facts = [_cost(alarm, unit), false_alarms_text(alarm)]
        yield from _wrapped(f"{alarm.name}, since {since_text(alarm)}, {', '.join(facts)}")
        yield from _wrapped(alarm.evidence, "    ")
        if alarm.further:
            yield from _wrapped(f"and {', '.join(alarm.further)}", "    ")
    if report.newcomers:
        yield from _wrapped(f"Who is new: {report.newcomers}")


def since_text(alarm: Alarm) -> str:
    """The day since which an alarm lasts."""
    return "unknown" if alarm.since is None else f"{alarm.since:%Y-%m-%d}"


def _cost(alarm: Alarm, unit: str) -> str:
    return "cost unknown" if alarm.cost is None else f"cost {alarm.cost:.3g} {unit} a point"


def false_alarms_text(alarm: Alarm) -> str:
    """How often an alarm like this would have been false in the model's own history."""
    rate, windows = alarm.false_alarm_rate, alarm.quiet_windows
    if rate is None:
        return f"false alarms not measured: {windows} quiet windows"
    return f"false alarms in {rate:.0%} of {windows} quiet windows"


def _performance(report: MonitorReport) -> Iterator[str]:
    found = report.performance
    side = "higher" if found.higher_is_better else "lower"
    bound = "" if found.bound is None else f", alarm beyond {found.bound:.4g}"
    yield f"Performance: {found.metric}, {side} is better{bound}"
    if not found.weeks:
        yield "  no labels have matured"
    for week in found.weeks[-SHOWN_WEEKS:]:
        yield f"  {week.start}  {week.value:>9.4g}  {_interval(week.interval):<22}{_labels(week)}"


def _interval(interval: Interval | None) -> str:
    if interval is None or interval.low is None or interval.high is None:
        return ""
    return f"{interval.low:.4g} to {interval.high:.4g}"


def _labels(week: WeekPerformance) -> str:
    count = f"{week.labelled:,} labels"
    if not week.complete:
        count += f" of {week.points:,} points so far"
    return f"{count}, held out from training" if week.held_out else count


def _measures(report: MonitorReport) -> Iterator[str]:
    found = report.measures
    if found is None:
        return
    span = f"{found.start:%Y-%m-%d} to {found.end:%Y-%m-%d}"
    yield f"Metrics: {found.labelled:,} labels, {span}"
    for one in found.metrics:
        before = "" if one.reference is None else f"held out {one.reference:.4g}"
        wanted = "" if one.wanted is None else f", wanted {one.wanted:g}"
        yield f"  {one.name:<20}{one.value:>9.4g}  {_interval(one.interval):<22}{before}{wanted}"
    worse = [part for part in found.slices if part.worse]
    for part in worse:
        before = f"held out {part.reference:.4g}"
        yield (
            f"  {part.column} = {part.value} is worse: {part.metric:.4g}, "
            f"{_interval(part.interval)}, {before}, {part.rows:,} labels"
        )
    if found.slices and not worse:
        yield f"  {len(found.slices)} slices: none is worse by its margin"


def _estimates(report: MonitorReport) -> Iterator[str]:
    found = report.estimates
    if found is None or not found.unknown:
        return
    yield f"Estimate of {found.metric}, valid while labels depend on the features as before"
    errors, bias = found.interval, found.bias
    known_error = bias if errors is not None and bias is not None else 0.0
    for week in found.unknown:
        value, probable = week.value - known_error, ""
        if errors and errors.low is not None and errors.high is not None:
            probable = f"{week.value - errors.high:.4g} to {week.value - errors.low:.4g}"
        yield f"  {week.start}  {value:>9.4g}  {probable:<22}{week.points:,} points"
    if bias is not None:
        side, weeks = "high" if bias > 0 else "low", counted(len(found.known), "past week")
        off = f"{abs(bias):.3g} too {side} on average in {weeks}"
        yield f"  corrected: the estimates were {off}" if errors else f"  {off}"


def _attribution(report: MonitorReport) -> Iterator[str]:
    found = report.attribution
    for one in found.moved if found else ():
        change, drift = one.change, "" if one.drift is None else f", values {one.drift:.2g}"
        text = (
            f"Importance of {change.feature}: {change.later:.3g} {report.performance.metric}, was "
            f"{change.earlier:.3g}; change {_interval(change.difference.interval(0.95))}"
        )
        yield from _wrapped(text + (f"{drift} of their drift threshold" if drift else ""), "")


def _age(report: MonitorReport) -> Iterator[str]:
    age, unit = report.age, report.performance.metric
    text = f"Age: {age.weeks:.1f} weeks since the end of training"
    if age.cost_of_week is None or age.cost is None:
        yield f"{text}; its cost is not known yet"
        return
    interval = age.cost_of_week.interval(0.9)
    yield (
        f"{text}; a week costs {age.cost_of_week.estimate:.3g} {unit} ({_interval(interval)}), "
        f"so about {age.cost:.3g}"
    )


def _label_shares(report: MonitorReport) -> Iterator[str]:
    """The classes whose estimated share is not that of training, before their labels arrive."""
    changed = [
        f"{one.label} {one.now_share:.1%} (training {one.before_share:.1%})"
        for one in report.label_shares
        if abs(one.now_share - one.before_share) >= SHOWN_DIFFERENCE
    ]
    if changed:
        shown = ", ".join(changed[:SHOWN_WEEKS])
        yield from _wrapped(f"Label of the newest week, estimated from predictions: {shown}", "")


def _ranges(report: MonitorReport) -> Iterator[str]:
    for one in report.ranges:
        newest, earlier = one.weeks[-1], one.weeks[:-1]
        text = (
            f"Training range: {newest.share:.1%} of {newest.rows:,} {SOURCES[one.source]} inside "
            f"({newest.interval.low or 0:.1%} to {newest.interval.high or 0:.1%})"
        )
        if earlier:
            text += f", weeks before {', '.join(f'{week.share:.1%}' for week in earlier)}"
        if least := least_inside(newest):
            text += f"; least {least}"
        yield from _wrapped(text, "")


def _arrivals(report: MonitorReport) -> Iterator[str]:
    for one in report.arrivals:
        if one.silent_for_s is None:
            yield f"Stream {one.stream}: no row"
            continue
        silent = rounded_text(timedelta(seconds=one.silent_for_s))
        text = f"Stream {one.stream}: newest row {silent} ago"
        if one.longest_pause_s is not None:
            text += f", longest pause {rounded_text(timedelta(seconds=one.longest_pause_s))}"
        yield text


def _wrapped(text: str, indent: str = "  ") -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )
