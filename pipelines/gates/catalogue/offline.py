"""Findings of the other gates that judge a candidate offline: contract to budget."""

from __future__ import annotations

from pipelines.gates.catalogue.entry import FindingEntry

_LATER = "Wait for newer data. The reason says what the data can detect."
_USELESS = " If it stays, the model has no use beyond a constant for each entity."
_REAL = "If the change is real, waive the finding once with a reason."
_FEED = "Contact the owner of the feed. Nothing is trained until it is back."

CONTRACT = (
    FindingEntry(
        "contract.suite.<stream>.<column>.<check>",
        "Fresh rows do not meet an expectation of the hand-written suite. `no_data`: the stream "
        "brought no fresh rows. `inconclusive`: the check could not run.",
        "Fix the data upstream, or change the expectation if it is wrong.",
        "depends",
    ),
    FindingEntry(
        "contract.suite.empty",
        "The hand-written suite has no expectation of severity `critical`: fresh data would pass "
        "unchecked.",
        "Add an expectation to `expectations/<model>.json`; `gauntlet check` reports this, too.",
    ),
    FindingEntry(
        "contract.envelope.<stream>.<column>.present",
        "A column that the champion was trained with is gone.",
        _FEED,
    ),
    FindingEntry(
        "contract.envelope.<stream>.<column>.missing",
        "More values are missing than in any part of the champion's training data.",
        "Check whether the column was dropped, renamed or sent empty upstream.",
    ),
    FindingEntry(
        "contract.envelope.<stream>.<column>.range",
        "Too many values are outside the range of the champion's training data.",
        "Look for a changed unit, currency or encoding. " + _REAL,
    ),
    FindingEntry(
        "contract.envelope.<stream>.<column>.median",
        "The median is outside the range of medians in the champion's training data.",
        "Look for a changed unit, currency or encoding. " + _REAL,
    ),
    FindingEntry(
        "contract.envelope.<stream>.<column>.categories",
        "Too many values are not among the categories of the champion's training data.",
        "Look for new or renamed values. " + _REAL,
    ),
    FindingEntry(
        "contract.envelope.<stream>.<column>.unique",
        "Events that should be unique are repeated.",
        "The writer sends rows twice; deduplicate there.",
    ),
    FindingEntry(
        "contract.envelope.<stream>.table.volume",
        "The number of fresh rows is outside the training data's range.",
        "Compare with the source: a feed stopped or doubled. A public holiday looks the same.",
    ),
    FindingEntry(
        "contract.envelope.<stream>.table.days",
        "Fewer days have rows than in training.",
        "Compare with the source: a day is missing.",
    ),
    FindingEntry(
        "contract.envelope.<stream>.table.hours",
        "Fewer hours have rows than in training.",
        "Compare with the source: a feed paused for some hours.",
    ),
    FindingEntry(
        "contract.envelope.<stream>.table.lag",
        "Rows arrive later, or earlier, than in training.",
        "Check clocks and time zones of the writers, and late deliveries.",
    ),
    FindingEntry(
        "contract.envelope.<stream>.table.lag_median",
        "The median delay between event time and known time has changed.",
        "Check clocks and time zones of the writers, and late deliveries.",
    ),
    FindingEntry(
        "contract.identity.<stream>",
        "Rows have the `id` of an earlier row. Rows that repeat it do not count; rows with other "
        "values contradict it, and the row that became known first counts. It blocks when more "
        "than `gates.contract.max_contradicting_share` of the fresh rows contradict.",
        "Check that `id` identifies one event. Send a correction as an event with its own id.",
        "depends",
    ),
    FindingEntry(
        "contract.late.<stream>",
        "Fresh rows of a PostgreSQL table were committed after a run had read past their known "
        "time, so earlier runs did not have them. The reason says how late and names the declared "
        "settling time.",
        "Declare `source.settle` longer than the slowest transaction needs.",
        "no",
    ),
    FindingEntry(
        "contract.previously_rejected.<day>",
        "Data that an earlier contract rejected would now be used for training or comparison.",
        "Mark the stretch with `gauntlet mark-broken`, add it to `split.exclude`, or waive once if "
        "the data was right.",
    ),
)

RECENT_WINDOW = (
    FindingEntry(
        "recent_window.maturity",
        "Too few matured points have a label, or the labels cover too few rows or days.",
        "Labels are late, or the declared horizon and delay are too short.",
    ),
    FindingEntry(
        "recent_window.primary",
        "Whether the candidate is better than the champion. `fail`: a gain worth a promotion is "
        "excluded. `inconclusive`: the gain is within the noise.",
        "Nothing, or declare a longer `split.recent` or fewer `gates.budget.tries`. " + _LATER,
        "depends",
    ),
    FindingEntry(
        "recent_window.baseline",
        "Whether a first version is better than the naive forecast on the recent window. Only "
        "shown where `recent_window.replay` decides.",
        _LATER + _USELESS,
        "depends",
    ),
    FindingEntry(
        "recent_window.replay",
        "Whether the recipe of a first version, fitted each week, was better than the naive "
        "forecast over the last 26 weeks, and the candidate itself on the recent window.",
        _LATER + _USELESS,
    ),
    FindingEntry(
        "recent_window.refit.answers",
        "The answers of the refit, which would serve, differ from those of its twin, which was "
        "judged, by a larger share of the twin's error than for past refits of this recipe. Only "
        "shown while there are few past refits.",
        "Look for wrong rows in the recent window: only the refit was trained on them. " + _REAL,
        "depends",
    ),
    FindingEntry(
        "recent_window.refit.error",
        "The refit has a larger error in the recent window than its twin, by more than the minimum "
        "effect, although it was trained on that window.",
        "Look for estimators that do not converge, or that give other results on other data sizes.",
        "depends",
    ),
    FindingEntry(
        "recent_window.corrected_gain",
        "The gain, corrected for the fact that only large gains pass.",
        "Nothing: use it as the expected gain.",
        "no",
    ),
    FindingEntry(
        "recent_window.guardrail.<metric>",
        "Whether a guardrail metric is shown not to be worse by more than its margin.",
        "`fail`: do not promote. `inconclusive`: wait, or declare a wider margin.",
    ),
    FindingEntry(
        "recent_window.seed_noise",
        "The gain is not larger than what another seed alone can give.",
        "Wait, or reduce the recipe's dependence on its seed.",
        "depends",
    ),
    FindingEntry(
        "recent_window.concentration",
        "Whether a few entities make the comparison. With fewer than twelve, days are its only "
        "noise, and it holds for these entities.",
        "Nothing, if these are the entities that the model is for; check whether one repeats rows.",
        "no",
    ),
    FindingEntry(
        "recent_window.simple_rival",
        "Whether a linear model or a shallow tree, fitted on the candidate's training rows, does "
        "as well on the recent window. `fail`: it does, within the minimum effect.",
        "Consider the simple model: it is easier to explain, and to keep.",
        "no",
    ),
    FindingEntry(
        "recent_window.training_gap",
        "How much worse the metric is on recent rows than on training rows. `fail`: the gap is "
        "larger than that of earlier versions of the recipe.",
        "Regularise the estimator, or look for what changed between training and recent rows.",
        "no",
    ),
    FindingEntry(
        "recent_window.training_sample",
        "Says how many of the labelled training rows were fitted on. There is none if all were.",
        "Nothing: `split.max_rows` asks for it. Raise it if the metric suffers.",
        "no",
    ),
    FindingEntry(
        "recent_window.slice.<column>.<value>",
        "The candidate is worse for this group by more than the margin.",
        "Do not waive it without the group's owner.",
    ),
    FindingEntry(
        "recent_window.slices_not_testable",
        "Groups with too few rows, or too much noise for their margin.",
        "Nothing, or declare larger groups.",
        "no",
    ),
)

REFRESH = (
    FindingEntry(
        "refresh.record",
        "The weekly losses of past candidates do not show yet that age costs this model anything. "
        "`no_data`: too few weeks have matured.",
        "Wait. The reason says how many weeks are missing. `gauntlet backtest` shows what another "
        "`gates.refresh.evidence` would have done.",
        "depends",
    ),
    FindingEntry(
        "refresh.age",
        "The champion is not old enough: its age costs less than a refresh is worth.",
        "Nothing. The reason says when the next refresh is due.",
        "depends",
    ),
    FindingEntry(
        "refresh.looks_better",
        "On the recent window, the candidate's held-out twin has no better metric than the "
        "champion's, and the champion's age alone does not cost a minimum effect.",
        "Wait for next week's candidate.",
    ),
    FindingEntry(
        "refresh.tested",
        "With `gates.refresh.evidence: tested`, the candidate's held-out twin is not shown to be "
        "better than the champion's.",
        "Wait for next week's candidate, or choose another preset.",
    ),
    FindingEntry(
        "refresh.stop",
        "`fail`: refreshes have lost too much against a version that they replaced, and it is "
        "restored, at most twice within `gates.refresh.watch`. `inconclusive`: refreshes rest "
        "after that, or wait for a person.",
        "Compare training data and features of the versions since then; something in them got "
        "worse week by week.",
    ),
    FindingEntry(
        "refresh.refit",
        "What refitting has gained so far: serving models against their twins, in weeks that "
        "trained neither. `fail`: it is proved to lose.",
        "Nothing, unless it fails: then declare `split.refit: false`.",
        "no",
    ),
    FindingEntry(
        "refresh.pays",
        "Whether it has been proved that refreshing this recipe pays, in the weeks so far.",
        "Nothing; it is for information.",
        "no",
    ),
)

CHAMPION = (
    FindingEntry(
        "champion.worse_than_naive",
        "Whether the champion is worse than the naive forecast on the recent window. `fail` is an "
        "alarm: any candidate that is shown to be better than both replaces the champion.",
        "`fail`: find what broke the champion; roll back if no candidate is better. "
        "`inconclusive`: it only looks worse; watch the next weeks.",
        "no",
    ),
)

AUDIT = (
    FindingEntry(
        "audit.live",
        "The changed recipe loses on the points that production predicts, or gains only on "
        "another population.",
        "Do not use the own holdout as evidence. Read the audit section of the review page.",
        "depends",
    ),
    FindingEntry(
        "audit.sign_flip",
        "The recipe gains offline and not on live points, or the gain comes from rows and labels.",
        "Compare both recipes on the same rows; undo the change of filters or labels.",
        "depends",
    ),
    FindingEntry(
        "audit.training_population",
        "The recipe trains on another population than the champion's.",
        "Check the filters and backfills that changed. The reason describes the rows.",
        "depends",
    ),
    FindingEntry(
        "audit.label",
        "The label rules of the two recipes differ on live rows.",
        "Agree on one label rule, then compare the recipes under it.",
        "depends",
    ),
    FindingEntry(
        "audit.feature",
        "An important feature is served with other values than it was trained on.",
        "Repair the feature; `availability.parity.<feature>` has the likely cause.",
        "depends",
    ),
    FindingEntry(
        "audit.selective_labels",
        "Labels exist only for one side of the champion's decisions.",
        "Offline data cannot judge this change. Collect labels for both sides.",
    ),
    FindingEntry(
        "audit.baseline_instability",
        "The gain is within what refitting the same recipes gives by luck.",
        "Use more seeds or more data; do not promote a lucky fit.",
        "depends",
    ),
    FindingEntry(
        "audit.overlap",
        "The holdout cannot be weighted to resemble live points, so there is no weighted gain.",
        "Nothing: it says how far to trust the weighted gain.",
        "no",
    ),
)

BUDGET = (
    FindingEntry(
        "budget.spent",
        "What the year's error budget has spent and has left.",
        "Nothing: it is a statement of account.",
    ),
    FindingEntry(
        "budget.level",
        "The level at which this try is tested.",
        "Nothing. Fewer declared `tries` give each try a larger level.",
    ),
    FindingEntry(
        "budget.exhausted",
        "The year has no try left.",
        "Wait for next year, or waive it: a person takes responsibility, and the ledger keeps it.",
    ),
)
