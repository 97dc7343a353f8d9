"""A backfill: a chain of retrainings as of past instants, in order and in a lineage of its own."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property, partial
from itertools import chain, islice, pairwise, takewhile
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import Field

from pipelines.core.errors import GauntletError, LockedError, SpecError
from pipelines.core.names import Name
from pipelines.core.records import Instant, Record, digest_of
from pipelines.core.time import instant_text, refuse_future, time_left, utc
from pipelines.flows.ahead.weeks import WeeksAhead, Workers, weeks_ahead
from pipelines.flows.retrain.request import Request
from pipelines.flows.retrain.run import RetrainCollaborators, identify_run, requested_spec
from pipelines.flows.retrain.steps import retrain
from pipelines.release.ledger import Entry
from pipelines.release.lineages import branch
from pipelines.release.lock import in_turn
from pipelines.release.reconciliation import exists
from pipelines.release.verification import verified_entries
from pipelines.spec.model import ModelSpec

MOST_INSTANTS = 520  # ten years of weeks


class BackfillRequest(Record):
    """The retrainings of a backfill.

    Its lineage begins with the champion that ``live`` had before the first instant, so that the
    outcomes are those which the declaration would have had. ``from_scratch`` begins it without a
    champion.
    """

    model: Name
    as_of: tuple[Instant, ...] = Field(min_length=1, description="increasing")
    from_scratch: bool = False
    reason: str = ""


class BackfillWeek(Record):
    """What a backfill decided as of one instant, and what ``live`` had decided that day."""

    as_of: Instant
    outcome: str
    reasons: tuple[str, ...]
    version: str | None = Field(description="that was registered; None: no candidate")
    champion: str | None = Field(description="of the lineage, after the decision")
    live_outcome: str | None = Field(description="None: live decided nothing on this day")
    live_champion: str | None = Field(description="of live, after its decisions until this day")


@dataclass(frozen=True)
class Backfill:
    """A backfill that was opened.

    Arguments:
        request: what was requested.
        lineage: where its decisions go; the same request gives the same lineage.
        spec, suite: the declaration and its suite; weeks do not read them again.
        collaborators: what the retrainings work with.
        workers: processes that prepare weeks; ``None``: there are none.
    """

    request: BackfillRequest
    lineage: str
    spec: ModelSpec
    suite: Mapping[str, Any]
    collaborators: RetrainCollaborators
    workers: Workers | None = None

    @cached_property
    def _using(self) -> RetrainCollaborators:
        return replace(
            self.collaborators,
            load_spec=lambda _: self.spec,
            load_suite=lambda *_, **__: self.suite,
            lock=self._lock,
        )

    def _lock(self, model: str, lineage: str) -> AbstractContextManager[None]:
        """The lock of a lineage, after the end of the process that holds it."""

        def waiting(busy: LockedError) -> None:
            using.progress(f"waiting: {busy.what}, {busy.got}; the same command goes on later")

        using = self.collaborators
        return in_turn(using.lock, model, lineage, math.inf, waiting)

    def weeks(self) -> Iterator[BackfillWeek]:
        """Retrain as of each instant, oldest first.

        A week that was decided before is answered from the ledger, so a backfill that was killed
        goes on where it ended. While a week is decided, the workers prepare the next ones. If
        another process works on the lineage, such as a step in Airflow, it waits for its end.

        Raises:
            GauntletError: the next week's champion was removed.
            As ``flows.retrain.steps.retrain`` and ``release.lineages.branch``.
        """
        request, using = self.request, self._using
        if not request.from_scratch:
            start_lineage(request.model, self.lineage, request.as_of[0], using)
        live = verified_entries(request.model, using.ledger)
        own = verified_entries(request.model, using.ledger, self.lineage)
        decided = {entry.as_of for entry in own if entry.decision}
        coming = [as_of for as_of in request.as_of if as_of not in decided]
        if coming and own:
            self._refuse_removed(own[-1].champion_after)
        requests = [self._request(as_of) for as_of in coming]
        with weeks_ahead(requests, self.spec, using, self.workers) as ahead:
            began = using.clock.now()
            for number, as_of in enumerate(request.as_of, 1):
                done = sum(one < as_of for one in coming)
                left = time_left(using.clock.now() - began, done, len(coming))
                where = f"{number} of {len(request.as_of)}{left}"
                if as_of in coming:  # others are answered at once: no time to prepare
                    ahead.begin(as_of)
                yield self._week(as_of, live, ahead, where)

    def _week(
        self, as_of: datetime, live: tuple[Entry, ...], ahead: WeeksAhead, where: str
    ) -> BackfillWeek:
        using = self._using
        prefixed = replace(
            using,
            prepared=partial(ahead.prepared, as_of),
            progress=lambda text: using.progress(f"{where}: {text}"),
        )
        retrain(self._request(as_of), prefixed)
        entry = self._decided(as_of)
        if entry is None or entry.decision is None:
            raise RuntimeError(f"the ledger has no decision of {self.lineage} as of {as_of}")
        return BackfillWeek(
            as_of=as_of,
            outcome=entry.outcome,
            reasons=entry.decision.reasons,
            version=entry.candidate,
            champion=entry.champion_after,
            live_outcome=_outcome(live, as_of),
            live_champion=_champion(live, as_of),
        )

    def _decided(self, as_of: datetime) -> Entry | None:
        """The decision about a week, if it was requested as it is now."""
        request, using = self._request(as_of), self._using
        spec = requested_spec(request, using.load_spec, using.ledger)
        return identify_run(request, spec, using.load_suite(spec), using.ledger).decided

    def _refuse_removed(self, champion: str | None) -> None:
        model, registry = self.request.model, self.collaborators.versions.registry
        if champion is not None and not exists(model, champion, registry):
            raise GauntletError(
                "the champion of the next week was removed",
                where=f"{model}, lineage {self.lineage}",
                got=f"version {champion}",
                hint="a backfill that begins or ends with another week has a lineage of its own",
            )

    def _request(self, as_of: datetime) -> Request:
        model, reason = self.request.model, self.request.reason
        return Request(model=model, as_of=as_of, lineage=self.lineage, reason=reason)


def backfill_instants(
    spec: ModelSpec, first: datetime, last: datetime, every: timedelta | None
) -> tuple[datetime, ...]:
    """The as-of instants of a backfill, oldest first.

    Arguments:
        spec: its schedule is used without ``every``.
        first, last: the earliest and the latest instant, both inclusive.
        every: time between two instants, the first of which is ``first``.

    Raises:
        SpecError: there is no instant or too many, or neither a cadence nor a schedule.
    """
    if last < first:
        raise SpecError(
            "a backfill ends before it begins",
            got=f"{instant_text(first)} to {instant_text(last)}",
            wanted="the earlier instant first",
        )
    if every is not None:
        if every <= timedelta(0):
            raise SpecError(
                "the time between two instants is zero", got=str(every), wanted="such as 7d"
            )
        steps = range((last - first) // every + 1)
        found: Iterator[datetime] = (first + number * every for number in steps)
    elif spec.schedule is not None:
        found = _scheduled(spec.schedule, spec.schedule_zone, first)
    else:
        raise SpecError(
            "a backfill needs a cadence",
            where=f"model {spec.name}",
            got="no `schedule` in the declaration",
            hint="give one: --every 7d",
        )
    earliest = next(found)
    known = takewhile(lambda at: at <= last, chain((earliest,), found))
    dates = tuple(islice(known, MOST_INSTANTS + 1))
    if not 0 < len(dates) <= MOST_INSTANTS:
        raise SpecError(
            "these are no as-of instants for a backfill",
            where=f"{instant_text(first)} to {instant_text(last)}",
            got=f"more than {MOST_INSTANTS} instants" if dates else "no instant",
            wanted=f"1 to {MOST_INSTANTS} instants",
            hint="" if dates else f"the next scheduled instant is {instant_text(earliest)}",
        )
    return dates


def _scheduled(cron: str, zone: str, first: datetime) -> Iterator[datetime]:
    """The instants of a schedule in a time zone from ``first`` on."""
    from croniter import croniter

    schedule = croniter(cron, (first - timedelta(minutes=1)).astimezone(ZoneInfo(zone)))
    while True:
        at = utc(schedule.get_next(datetime))
        if at >= first:
            yield at


def open_backfill(
    request: BackfillRequest, collaborators: RetrainCollaborators, workers: Workers | None = None
) -> Backfill:
    """Check the request and name its lineage; nothing is computed or written.

    The name is ``backfill-<first day>-<last day>-<digest>``. The digest covers the instants, the
    declaration, the suite and where the lineage begins.

    Raises:
        SpecError: the instants do not increase, or the declaration is wrong.
        TimeError: an instant is in the future.
    """
    spec, dates = collaborators.load_spec(request.model), request.as_of
    where = f"backfill of {request.model}"
    if any(later <= earlier for earlier, later in pairwise(dates)):
        raise SpecError(
            "the instants of a backfill do not increase",
            where=where,
            got=", ".join(map(instant_text, dates)),
            wanted="each instant once, the oldest first",
        )
    refuse_future(dates[-1], collaborators.clock.now(), where)
    suite = collaborators.load_suite(spec)
    lineage = _lineage(request, spec, suite)
    return Backfill(request, lineage, spec, suite, collaborators, workers)


def start_lineage(
    model: str, lineage: str, as_of: datetime, collaborators: RetrainCollaborators
) -> Entry | None:
    """Begin the lineage of a backfill with the champion of ``live``, unless it has begun.

    Arguments:
        model: its name.
        lineage: of the backfill.
        as_of: of its first week.
        collaborators: what its retrainings work with.

    Returns:
        The branch; ``None`` if the lineage begins without a champion.

    Raises:
        As ``release.lineages.branch``.
        LockedError: another run of the lineage is at work.
    """
    with collaborators.lock(model, lineage):
        return branch(model, lineage, as_of, collaborators.ledger)


def _lineage(request: BackfillRequest, spec: ModelSpec, suite: Mapping[str, Any]) -> str:
    digest = digest_of(
        {
            "as_of": [instant_text(one) for one in request.as_of],
            "from_scratch": request.from_scratch,
            "spec": spec.digest,
            "suite": digest_of(dict(suite)),
        }
    )
    first, last = request.as_of[0], request.as_of[-1]
    return f"backfill-{first:%Y%m%d}-{last:%Y%m%d}-{digest[:8]}"


def _outcome(live: tuple[Entry, ...], as_of: datetime) -> str | None:
    """The newest decision of ``live`` on the day of an instant."""
    day = as_of.date()
    decided = [e for e in live if e.as_of.date() == day and e.decision and e.kind != "dry_run"]
    return decided[-1].outcome if decided else None


def _champion(live: tuple[Entry, ...], as_of: datetime) -> str | None:
    """The champion of ``live`` after its decisions until the day of an instant."""
    earlier = [entry for entry in live if entry.as_of.date() <= as_of.date()]
    return earlier[-1].champion_after if earlier else None
