"""Monitoring of a model's champion as of an instant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from pipelines.core.errors import DataError
from pipelines.core.files import write_bytes
from pipelines.core.findings import Finding
from pipelines.core.time import Window, instant_text, refuse_future
from pipelines.core.weeks import WEEK
from pipelines.data.reader import EventReader
from pipelines.data.snapshot import Snapshot
from pipelines.flows.frames import window_rows
from pipelines.flows.monitor.attribution import fresh_attribution
from pipelines.flows.monitor.collaborators import MonitorCollaborators
from pipelines.flows.monitor.fresh_drift import FreshDrift, fresh_drift
from pipelines.flows.monitor.incoming import arrivals, check_windows, repeat_alarms
from pipelines.flows.monitor.outcomes import Outcomes, read_outcomes, shared_spec
from pipelines.flows.monitor.quiet_contract import quiet_windows
from pipelines.flows.monitor.segment_answers import (
    SegmentAnswers,
    read_segment_answers,
    versions_in,
)
from pipelines.flows.monitor.training_range import range_checks
from pipelines.flows.versions import VersionReader
from pipelines.gates.refresh.record import RefreshRecord
from pipelines.gates.refresh.state import RefreshCase, refresh_state
from pipelines.monitoring.age import account_alarm, age_alarm, champion_age
from pipelines.monitoring.arrival import silence_alarm
from pipelines.monitoring.concept import concept_alarm
from pipelines.monitoring.contract import contract_alarms
from pipelines.monitoring.drift import drift_alarms, drift_weeks, real_world_alarm, unseen_alarms
from pipelines.monitoring.earlier_version import earlier_version_alarm
from pipelines.monitoring.label import with_label_cause
from pipelines.monitoring.metrics.label_free import estimate
from pipelines.monitoring.metrics.measuring import measure
from pipelines.monitoring.performance import (
    harmless_since,
    naive_alarm,
    performance,
    performance_alarm,
)
from pipelines.monitoring.report import (
    REPORT_FORMAT,
    ActionKind,
    Alarm,
    MonitorReport,
    Performance,
)
from pipelines.monitoring.training_range import range_alarm
from pipelines.monitoring.triage import health, ranked, triage
from pipelines.packaging.version import RECORD, ModelVersion, evidence_path, read_record
from pipelines.release.broken_windows.exclusions import with_exclusions
from pipelines.release.champion_health import champion_health
from pipelines.release.champion_periods import (
    champion_periods,
    entries_as_of,
    last_answer,
    unanswered_stops,
)
from pipelines.release.ledger import Entry, retrained_on_reason
from pipelines.release.retrain_reason import retraining_hold
from pipelines.release.rollback import former_champions
from pipelines.release.rollout.segment_periods import segment_periods
from pipelines.release.verification import verified_entries
from pipelines.spec.model import ModelSpec
from pipelines.training.split import inside


class NoChampion(DataError):  # noqa: N818 - named as the family in core is
    """The model had no champion at the instant."""

    code = "no_champion"


def monitor(model: str, as_of: datetime, collaborators: MonitorCollaborators) -> MonitorReport:
    """Report on the version that was champion at an instant, from what was known by then.

    The report is also written to ``<folder>/<model>/<as-of>.json``. Nothing else changes.

    Arguments:
        model: its name.
        as_of: zoned, not in the future.
        collaborators: what monitoring works with.

    Raises:
        TimeError: as-of is in the future.
        NoChampion: there was no champion.
        DataError: events contradict their declaration.
        IntegrityError: the ledger or the champion's content is not what was recorded.
        Unavailable: a source, the registry or the ledger does not answer.
    """
    declared = collaborators.load_spec(model)
    refuse_future(as_of, collaborators.clock.now(), f"model {model}")
    opened = _open(declared, as_of, collaborators)
    report = _observe(opened)
    name = f"{instant_text(as_of).replace(':', '')}.json"
    write_bytes(collaborators.folder / model / name, REPORT_FORMAT.to_text(report).encode())
    return report


@dataclass(frozen=True)
class _Opened:
    """A monitoring that was opened.

    Arguments:
        spec: the champion's declaration with the settings of monitoring of today.
        as_of: the instant.
        champion: the version that was champion.
        earlier: the version that it replaced; ``None`` without one.
        entries: what was in the ledger.
        collaborators: everything else.
    """

    spec: ModelSpec
    as_of: datetime
    champion: ModelVersion
    earlier: ModelVersion | None
    entries: tuple[Entry, ...]
    collaborators: MonitorCollaborators


def _open(declared: ModelSpec, as_of: datetime, collaborators: MonitorCollaborators) -> _Opened:
    model, versions = declared.name, collaborators.versions
    entries = entries_as_of(verified_entries(model, collaborators.ledger), as_of)
    number = entries[-1].champion_after if entries else None
    if number is None:
        raise NoChampion(
            "there is no champion to monitor",
            where=f"model {model} as of {instant_text(as_of)}",
            got=f"{len(entries)} entries in the ledger",
            wanted="a champion",
            hint=f"`gauntlet retrain {model}` makes the first version",
        )
    champion = versions.load(model, number)
    return _Opened(
        spec=champion.spec.model_copy(update={"monitor": declared.monitor}),
        as_of=as_of,
        champion=champion,
        earlier=next(_loaded(versions, model, former_champions(entries)[:1]), None),
        entries=entries,
        collaborators=collaborators,
    )


def _observe(opened: _Opened) -> MonitorReport:
    spec, as_of, champion = opened.spec, opened.as_of, opened.champion
    weeks, collaborators = spec.monitor.weeks, opened.collaborators
    common = with_exclusions(shared_spec(champion, opened.earlier), opened.entries, as_of)
    events = collaborators.open_events(common)
    collaborators.progress("reading events")
    snapshot = events.snapshot(common.streams, as_of)
    identity = _identity(spec, events, snapshot, as_of)
    with events.tables(snapshot, common.streams) as tables:
        own = {name: tables[name] for name in spec.streams}
        collaborators.progress("checking fresh rows")
        windows = check_windows(champion, own, identity, as_of, weeks, collaborators.suite_runner)
        marked = with_exclusions(champion.spec, opened.entries, as_of)
        quiet = quiet_windows(
            champion, marked, windows[0], events, snapshot, own, collaborators.suite_runner
        )
        arrived = arrivals(own, as_of, weeks)
        repeated = repeat_alarms(spec, own, as_of)
        collaborators.progress("scoring matured points")
        points_in = partial(window_rows, events, common, snapshot, tables)
        segments = partial(_segment_answers, opened)
        outcomes = read_outcomes(champion, opened.earlier, points_in, as_of, weeks, segments)
    ranges = range_checks(champion, outcomes.fresh, events, as_of, weeks)
    drift = fresh_drift(champion, outcomes.fresh, outcomes.served, spec.monitor, as_of)
    record = _newest_record(opened)
    state = refresh_state(spec.gates.refresh, _refresh_case(opened, record))
    naive = champion_health(opened.entries, champion.number)
    realised = performance(spec, outcomes.weeks, record.fresh_losses())
    drifted = _drift_alarms(spec, drift, realised)
    found = [
        *contract_alarms(spec, windows, quiet),
        *(range_alarm(one, spec.gates.contract.mostly) for one in ranges),
        *(silence_alarm(one, spec.monitor.silence) for one in arrived),
        *repeated,
        *drifted,
        performance_alarm(realised),
        concept_alarm(spec, outcomes.held_out, outcomes.served),
        naive_alarm(*naive) if naive else None,
        age_alarm(spec, state, champion.fitted_until),
        account_alarm(spec, state),
        earlier_version_alarm(spec, outcomes.earlier),
    ]
    known = with_label_cause([alarm for alarm in found if alarm is not None])
    world = real_world_alarm(known)
    alarms = ranked(known if world is None else [world, *known])
    action = triage(spec.name, alarms)
    retrains = action.kind is ActionKind.RETRAIN
    limits = spec.monitor.retrain
    return MonitorReport(
        model=spec.name,
        version=champion.number,
        as_of=as_of,
        snapshot=snapshot.id,
        health=health(alarms, realised),
        action=action,
        alarms=alarms,
        performance=realised,
        age=champion_age(state),
        arrivals=arrived,
        findings=(*windows[0].findings, *([naive.finding] if naive else [])),
        ranges=ranges,
        attribution=fresh_attribution(
            champion, spec, outcomes.fresh, drift.columns if drift else ()
        ),
        drift=drift_weeks(drift.columns) if drift else (),
        newcomers=_newcomers(spec, outcomes, as_of) if drifted else "",
        measures=measure(spec, outcomes.served, outcomes.held_out),
        label_shares=drift.label_shares if drift else (),
        estimates=estimate(spec, (outcomes.by_twin, outcomes.served), as_of),
        retraining_hold=retraining_hold(retrained_on_reason(opened.entries), limits, as_of)
        if retrains
        else "",
    )


def _segment_answers(opened: _Opened, window: Window) -> SegmentAnswers | None:
    """What the champions of segments answered in a window, if they are still in the registry."""
    periods = segment_periods(opened.entries, opened.champion.number)
    collaborators = opened.collaborators
    numbers = versions_in(periods, window)
    versions = _loaded(collaborators.versions, opened.spec.name, numbers) if numbers else ()
    return read_segment_answers(periods, versions, window, collaborators)


def _newcomers(spec: ModelSpec, outcomes: Outcomes, as_of: datetime) -> str:
    """What distinguishes the points of the last seven days from the recent window."""
    from pipelines.monitoring.newcomers import describe_newcomers

    newest = outcomes.fresh[inside(outcomes.fresh, Window(as_of - WEEK, as_of))]
    return describe_newcomers(spec, outcomes.held_out.rows, newest)


def _drift_alarms(spec: ModelSpec, drift: FreshDrift | None, realised: Performance) -> list[Alarm]:
    """Alarms of drift and of new categories; none for a version without a profile."""
    if drift is None:
        return []
    return [
        *drift_alarms(drift.columns, harmless_since(realised), drift.segments),
        *unseen_alarms(
            drift.unseen,
            drift.rows,
            spec.monitor.unseen_share,
            drift.since,
            drift.quiet_unseen,
        ),
    ]


def _identity(
    spec: ModelSpec, events: EventReader, snapshot: Snapshot, as_of: datetime
) -> tuple[Finding, ...]:
    """Findings about events that were delivered more than once."""
    from pipelines.gates.contract.identity import identity_findings

    gate = spec.gates.contract
    copies = events.copies(snapshot, spec.streams, as_of - gate.lookback)
    return tuple(identity_findings(copies, gate.max_contradicting_share))


def _newest_record(opened: _Opened) -> RefreshRecord:
    """The record of the champion's recipe that the newest of its fits has; updates have none."""
    spec, versions = opened.spec, opened.collaborators.versions
    candidates = [
        entry.candidate
        for entry in reversed(opened.entries)
        if entry.candidate and entry.lane != "update" and spec.has_recipe(entry.recipe)
    ]
    for version in _loaded(versions, spec.name, candidates):
        measured = version.spec.metric.measures_as(spec.metric)
        if measured and evidence_path(version.folder, RECORD).is_file():
            return read_record(version.folder, RECORD, RefreshRecord)
    return RefreshRecord(recipe=spec.recipe)


def _refresh_case(opened: _Opened, record: RefreshRecord) -> RefreshCase:
    """The case of a refresh that would be trained as of the report's instant."""
    spec, champion = opened.spec, opened.champion
    trained = {
        entry.candidate: entry.trained.refit
        for entry in opened.entries
        if entry.candidate and entry.trained and spec.has_recipe(entry.recipe)
    }
    trained[champion.anchor] = champion.fitted_until
    return RefreshCase(
        record=record,
        now=opened.as_of,
        candidate=opened.as_of,
        periods=champion_periods(opened.entries, trained),
        stops=unanswered_stops(opened.entries),
        minimum_effect=spec.metric.minimum_effect,
        answered=last_answer(opened.entries),
    )


def _loaded(versions: VersionReader, model: str, numbers: Sequence[str]) -> Iterator[ModelVersion]:
    """The versions that are still in the registry, read one by one."""
    registered = {info.version for info in versions.registry.versions(model)}
    for number in numbers:
        if number in registered:
            yield versions.load(model, number)
