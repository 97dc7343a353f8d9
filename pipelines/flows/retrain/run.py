"""An opened retraining: the request, the declaration, the champion to beat, and its workspace.

A run is identified by a hash of the request, the declaration and the suite, and by the champion's
version. The same request therefore resumes an interrupted run and finds an earlier decision. If the
champion has changed meanwhile, it is another run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pipelines.core.errors import DataError
from pipelines.core.findings import Finding, Verdict, overall
from pipelines.core.records import digest_of
from pipelines.core.run_page import RunPages
from pipelines.core.time import Clock, Window, instant_text, refuse_future
from pipelines.data.events import Progress
from pipelines.data.reader import EventReader
from pipelines.features.online.store import OnlineStore
from pipelines.flows.retrain.request import LIVE, Request
from pipelines.flows.versions import VersionReader
from pipelines.flows.workspace import RunFolders, Workspace
from pipelines.packaging.version import ModelVersion
from pipelines.release.broken_windows.exclusions import with_exclusions
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.policies import Lane
from pipelines.release.policy import Outcome
from pipelines.release.verification import verified_entries
from pipelines.spec.combine import common_spec
from pipelines.spec.model import ModelSpec
from pipelines.training.split import SplitPlan, split_plan

if TYPE_CHECKING:
    from pipelines.quality.suite import GroupedSuiteRunner

_OPEN_OUTCOMES = frozenset({Outcome.SUPERSEDED, Outcome.AWAIT_REVIEW})
_NO_DECISIONS = ("dry_run", "audit")


class OutOfOrder(DataError):  # noqa: N818 - named as the family in core is
    """A run of a backfill is older than the newest decision of its lineage."""

    code = "out_of_order"


class LoadSuite(Protocol):
    """Reads the hand-written suite of a declared model."""

    def __call__(self, spec: ModelSpec, thorough: bool = False) -> Mapping[str, Any]:
        """The suite; ``thorough`` also checks it with Great Expectations."""
        ...


@dataclass(frozen=True)
class RetrainCollaborators:
    """What a retraining works with.

    Arguments:
        runs: folders of all runs.
        fits: folder of what replayed candidates predicted, by content.
        load_spec: reads a declaration by the model's name.
        load_suite: reads the model's hand-written suite.
        open_events: opens the event streams of a model.
        suite_runner: runs suites on tables.
        versions: the registry, and verified copies of its versions.
        pages: show each retraining as a run.
        ledger: records decisions.
        online: the online store of production.
        lock: held for one model and lineage while a run is at work.
        clock: the present instant.
        progress: called with short progress messages.
        prepared: finds the folder with what was prepared for a run, by the hash that ``NamedRun``
            names; ``None``: there is none.
    """

    runs: RunFolders
    fits: Path
    load_spec: Callable[[str], ModelSpec]
    load_suite: LoadSuite
    open_events: Callable[[ModelSpec], EventReader]
    suite_runner: GroupedSuiteRunner
    versions: VersionReader
    pages: RunPages
    ledger: Ledger
    online: OnlineStore
    lock: Callable[[str, str], AbstractContextManager[object]]
    clock: Clock
    progress: Progress = lambda _: None
    prepared: Callable[[str], Path | None] = lambda _: None


@dataclass(frozen=True)
class RunIdentity:
    """The identity of a run: retrainings with the same identity are the same run.

    Arguments:
        request_digest: hash of request, declaration and suite; 16 hexadecimal digits.
        champion: version to beat; ``None`` if there is none.
        decided: the entry of an earlier decision for this request.
    """

    request_digest: str
    champion: str | None
    decided: Entry | None

    @property
    def id(self) -> str:
        """``<request digest>.<champion's version or none>``."""
        return f"{self.request_digest}.{self.champion or 'none'}"


@dataclass(frozen=True)
class Run:
    """One retraining, opened.

    Arguments:
        request: what was requested.
        identity: the run's id, champion and earlier decision.
        spec: the candidate's declaration.
        common: the declaration of the frame that serves both candidate and champion.
        suite: the hand-written suite.
        plan: training and recent windows of the candidate.
        champion: the version to beat, verified; ``None`` for a first version.
        events: reads the streams and the prediction log.
        workspace: the folder that the steps write to.
        collaborators: everything outside of the run.
        increment: known times of the rows that are new to an update; ``None``: no update.
    """

    request: Request
    identity: RunIdentity
    spec: ModelSpec
    common: ModelSpec
    suite: Mapping[str, Any]
    plan: SplitPlan
    champion: ModelVersion | None
    events: EventReader
    workspace: Workspace
    collaborators: RetrainCollaborators
    increment: Window | None = None

    @property
    def id(self) -> str:
        """The run's id."""
        return self.identity.id

    @property
    def lane(self) -> Lane:
        """How the candidate is judged: the champion's recipe on newer data is a refresh.

        The data has to be newer: with the same data and other seeds, a refresh could pass by luck.
        Points that updates have added do not count: the candidate is a fit, and so is their anchor.
        """
        champion = self.champion
        if self.request.update:
            return "update"
        if champion is None or champion.spec.recipe != self.spec.recipe:
            return "change"
        return "refresh" if self.plan.refit_until > champion.fitted_until else "change"

    @property
    def fresh(self) -> Window:
        """Known times of the rows that the contract checks: an update checks what is new to it."""
        end = self.request.as_of
        return self.increment or Window(end - self.spec.gates.contract.lookback, end)

    @property
    def frame_start(self) -> datetime:
        """First decision time of the frame; an update needs no points that its champion knows.

        The naive forecast of an update takes as many of them as the recent window is long.
        """
        if self.request.update and self.champion is not None:
            return self.champion.plan.train.end - self.spec.split.recent
        return self.plan.train.start

    def passes(self, findings: tuple[Finding, ...]) -> bool:
        """Whether all findings pass, without the waived ones. False if there is no finding."""
        return overall(self._counted(findings)) is Verdict.PASS

    def blocked_by(self, findings: tuple[Finding, ...]) -> bool:
        """Whether any blocking finding failed to pass and is not waived."""
        counted = self._counted(findings)
        return any(f.blocking and f.verdict is not Verdict.PASS for f in counted)

    def _counted(self, findings: tuple[Finding, ...]) -> list[Finding]:
        return [f for f in findings if f.name not in self.request.waived]


def identify_run(
    request: Request, spec: ModelSpec, suite: Mapping[str, Any], ledger: Ledger
) -> RunIdentity:
    """The identity of a run: with its earlier decision's champion, else the present champion.

    Raises:
        IntegrityError: the ledger cannot be followed; see ``release.verification``.
        OutOfOrder: the lineage is not ``live``, and has decided about a later instant.
    """
    about = {
        "model": request.model,
        "as_of": instant_text(request.as_of),
        "lineage": request.lineage,
        "waive": sorted(set(request.waived)),
        "spec": spec.digest,
        "suite": digest_of(dict(suite)),
    }
    digest = digest_of(about | ({"update": True} if request.update else {}))[:16]
    # Releases up to 0.1.0 requested approvals in other lineages too, where none can be given.
    undecided = _OPEN_OUTCOMES if request.lineage == LIVE else {Outcome.SUPERSEDED}
    entries = verified_entries(request.model, ledger, request.lineage)
    decisions = [
        entry
        for entry in entries
        if entry.run.startswith(f"{digest}.")
        and entry.decision is not None  # stages of a rollout have none, and may name its winner
        and entry.kind not in _NO_DECISIONS
        and entry.outcome not in undecided
    ]
    if decisions:
        return RunIdentity(digest, decisions[-1].champion_before, decisions[-1])
    newest = entries[-1] if entries else None
    if newest is not None and request.lineage != LIVE and newest.as_of > request.as_of:
        raise OutOfOrder(
            "a run is older than the newest decision of its lineage",
            where=f"model {request.model}, lineage {request.lineage}",
            got=f"as of {instant_text(request.as_of)}",
            wanted=f"as of {instant_text(newest.as_of)} or later",
            hint="a backfill decides its weeks in order; begin it anew in another lineage",
        )
    return RunIdentity(digest, newest.champion_after if newest else None, None)


def requested_spec(
    request: Request, load_spec: Callable[[str], ModelSpec], ledger: Ledger
) -> ModelSpec:
    """The declaration as it applies to a request; other lineages than ``live`` have no rollout.

    Other lineages receive no traffic, so there the recent window promotes. Windows that were marked
    as broken by the request's as-of join its exclusions.
    """
    entries = ledger.entries(request.model)
    spec = with_exclusions(load_spec(request.model), entries, request.as_of)
    return spec if request.lineage == LIVE else spec.without_rollout()


@dataclass(frozen=True)
class NamedRun:
    """A run whose id is known. Neither its champion nor its events have been read.

    Arguments:
        request: what was requested.
        spec: the candidate's declaration, as it applies to the request.
        suite: the hand-written suite.
        identity: the run's id, champion and earlier decision.
        collaborators: everything outside of the run.
    """

    request: Request
    spec: ModelSpec
    suite: Mapping[str, Any]
    identity: RunIdentity
    collaborators: RetrainCollaborators

    def open(self, workspace: Callable[[str], Workspace] | None = None) -> Run:
        """Read the champion, and open the folder of the run. The caller holds the run's lock.

        Arguments:
            workspace: opens another folder than the run's, by a hash over everything but events
                and earlier decisions that its steps depend on: the request, and the features of
                candidate and champion.

        Raises:
            SpecError: candidate and champion do not share their decision points.
            IntegrityError: the champion's content is not what was registered.
            Unavailable: the registry does not answer; it is safe to retry.
        """
        spec, request, collaborators = self.spec, self.request, self.collaborators
        champion = (
            None
            if self.identity.champion is None
            else collaborators.versions.load(request.model, self.identity.champion)
        )
        common = common_spec(spec, None if champion is None else champion.spec)
        basis = digest_of({"request": self.identity.request_digest, "frame": common.digest})
        return Run(
            request=request,
            identity=self.identity,
            spec=spec,
            common=common,
            suite=self.suite,
            plan=split_plan(spec, request.as_of),
            champion=champion,
            events=collaborators.open_events(common),
            workspace=(workspace or self._workspace)(basis),
            collaborators=collaborators,
        )

    def _workspace(self, basis: str) -> Workspace:
        """The run's folder, with what was prepared for it if no step has written there."""
        collaborators = self.collaborators
        workspace = collaborators.runs.open_locked(self.request.model, self.identity.id)
        if workspace.is_empty and (prepared := collaborators.prepared(basis)) is not None:
            workspace.adopt(Workspace.open_locked(prepared))
        return workspace


def name_run(request: Request, collaborators: RetrainCollaborators) -> NamedRun:
    """Read declaration, suite and ledger.

    Raises:
        SpecError: the declaration or the suite is wrong.
        TimeError: as-of is in the future.
        OutOfOrder: as ``identify_run``.
        IntegrityError: the ledger cannot be followed.
        Unavailable: the ledger does not answer; it is safe to retry.
    """
    spec = requested_spec(request, collaborators.load_spec, collaborators.ledger)
    refuse_future(request.as_of, collaborators.clock.now(), f"model {request.model}")
    suite = collaborators.load_suite(spec)
    identity = identify_run(request, spec, suite, collaborators.ledger)
    return NamedRun(request, spec, suite, identity, collaborators)


def open_run(request: Request, collaborators: RetrainCollaborators) -> Run:
    """Name a run and open it. The caller holds the run's lock.

    Raises:
        As ``name_run`` and ``NamedRun.open``.
    """
    return name_run(request, collaborators).open()
