"""An opened run: what was asked, what was declared, who the champion was, and where results go.

The question is a hash of the model's declaration and suite, the as-of instant and the lineage. So
the same question finds what an interrupted process wrote, and the answer that was given before.
When the champion changed meanwhile it is another run: evidence is about two models, not one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pipelines.core.records import digest_of
from pipelines.core.time import Clock, instant_text, refuse_future
from pipelines.data.events import Progress
from pipelines.data.objects import ObjectStore
from pipelines.data.reader import EventReader
from pipelines.features.online.store import OnlineStore
from pipelines.flows.retrain.request import LIVE, Request
from pipelines.flows.workspace import Workspace
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.policy import Outcome
from pipelines.release.registry import Registry, VersionInfo
from pipelines.spec.model import ModelSpec

if TYPE_CHECKING:
    from pipelines.flows.versions import VersionReader
    from pipelines.quality.suite import SuiteRunner

UNANSWERED = frozenset({Outcome.SUPERSEDED, Outcome.AWAIT_REVIEW})


class LoadSuite(Protocol):
    """Reads a model's hand-written suite; thoroughly, by asking Great Expectations as well."""

    def __call__(self, spec: ModelSpec, thorough: bool = False) -> Mapping[str, Any]:
        """The suite of a declared model."""
        ...


@dataclass(frozen=True)
class Parts:
    """The collaborators of every flow; ``wiring`` plugs in the real ones, tests others."""

    home: Path
    load_spec: Callable[[str], ModelSpec]
    load_suite: LoadSuite
    open_events: Callable[[ModelSpec], EventReader]
    open_store: Callable[[ModelSpec], ObjectStore]
    suite_runner: SuiteRunner
    registry: Registry
    ledger: Ledger
    online: OnlineStore
    scratch_online: Callable[[], OnlineStore]  # empty, and gone with the process
    lock: Callable[[str, str], AbstractContextManager[object]]
    clock: Clock
    progress: Progress = lambda _: None

    @property
    def cache(self) -> Path:
        """Content-addressed copies of event objects, and the manifests of snapshots."""
        return self.home / "cache"

    @property
    def versions(self) -> VersionReader:
        """Verified copies of registered versions."""
        from pipelines.flows.versions import VersionReader

        return VersionReader(self.registry, self.home / "versions")


@dataclass(frozen=True)
class Run:
    """One retraining, opened."""

    request: Request
    spec: ModelSpec
    suite: Mapping[str, Any]
    parts: Parts

    @cached_property
    def question(self) -> str:
        """What is asked, whoever is champion: 16 hexadecimal digits."""
        return digest_of(
            {
                "model": self.request.model,
                "as_of": instant_text(self.request.as_of),
                "lineage": self.request.lineage,
                "waive": sorted(set(self.request.waived)),
                "spec": self.spec.digest,
                "suite": digest_of(dict(self.suite)),
            }
        )[:16]

    @cached_property
    def decided(self) -> Entry | None:
        """The answer that was given to this question before, if one was."""
        model, lineage = self.request.model, self.request.lineage
        answers = [
            entry
            for entry in self.parts.ledger.entries(model, lineage)
            if entry.run.startswith(f"{self.question}.")
            and entry.kind not in ("dry_run", "audit")
            and entry.outcome not in UNANSWERED
        ]
        return answers[-1] if answers else None

    @cached_property
    def champion(self) -> VersionInfo | None:
        """The version to beat: that of the answer if there is one, else today's."""
        model, lineage = self.request.model, self.request.lineage
        return self.version(
            self.decided.champion_before
            if self.decided
            else self.parts.ledger.champion(model, lineage)
        )

    def version(self, number: str | None) -> VersionInfo | None:
        """A version of this model in the registry."""
        return None if number is None else self.parts.registry.get(self.request.model, number)

    @property
    def id(self) -> str:
        """The question and whom the candidate has to beat: ``<16 digits>.<version or none>``."""
        return f"{self.question}.{self.champion.version if self.champion else 'none'}"

    @cached_property
    def workspace(self) -> Workspace:
        """Where this run's steps write."""
        return Workspace(self.parts.home / "runs" / self.request.model / self.id)


def open_run(request: Request, parts: Parts) -> Run:
    """Read the declaration and its suite.

    Raises:
        SpecError: when one of them is wrong.
        TimeError: when as-of lies in the future, which nobody can stand in.
    """
    spec = parts.load_spec(request.model)
    if request.lineage != LIVE:  # no traffic reaches it, so there the recent window promotes
        spec = spec.model_copy(update={"rollout": None})
    refuse_future(request.as_of, parts.clock.now(), f"model {request.model}")
    return Run(request=request, spec=spec, suite=parts.load_suite(spec), parts=parts)
