"""The audit of two recipes on request. Seeing a new recipe on recent rows uses a budgeted try."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pipelines.core.errors import IntegrityError, SpecError
from pipelines.core.time import instant_text, refuse_future
from pipelines.data.snapshot import Snapshot
from pipelines.flows.retrain.audit import Pair, audit_pair
from pipelines.flows.retrain.request import Request
from pipelines.flows.retrain.run import (
    RetrainCollaborators,
    RunIdentity,
    identify_run,
    requested_spec,
)
from pipelines.gates.audit.record import Audit
from pipelines.gates.budget.findings import SPENT
from pipelines.packaging.version import read_spec
from pipelines.release.budget import compared
from pipelines.release.dry_run import record_comparison
from pipelines.release.ledger import LIVE, Entry, NewEntry
from pipelines.spec.combine import combined_spec
from pipelines.spec.load import load_model
from pipelines.spec.model import ModelSpec


@dataclass(frozen=True)
class ManualAudit:
    """An audit that a person requested.

    Arguments:
        audit: what it found.
        entry: its entry in the ledger; ``None`` if it used no try of the error budget.
        free_reason: why it used no try; empty if it did.
    """

    audit: Audit
    entry: Entry | None = None
    free_reason: str = ""

    @property
    def summary(self) -> str:
        """What the audit cost, in one sentence."""
        if self.entry is None:
            return f"no try used: {self.free_reason}"
        spent = next(finding for finding in self.entry.findings if finding.name == SPENT)
        return (
            f"recorded in the ledger: {spent.reason}; `--as-of {instant_text(self.entry.as_of)}` "
            "shows it again, and retrains it, at no further cost"
        )


def audit_recipes(collaborators: RetrainCollaborators, pair: Pair, as_of: datetime) -> ManualAudit:
    """Audit two declarations as of an instant.

    The error budget limits how often a new recipe may be tried on the recent window, whatever it is
    compared with. Such an audit is therefore recorded in the ledger before it is shown, under the
    id of the retraining with the same request: the two use one try.

    Raises:
        SpecError: when the two recipes cannot be combined in one frame.
        DataError: when one of them cannot be fitted or judged.
        TimeError: when as-of is in the future.
        Unavailable: when the ledger does not answer; nothing is shown, and it is safe to retry.
    """
    request = Request(model=pair.new.name, as_of=as_of)
    declared = requested_spec(request, collaborators.load_spec, collaborators.ledger)
    refuse_future(as_of, collaborators.clock.now(), f"model {request.model}")
    suite = collaborators.load_suite(declared)
    identity = identify_run(request, declared, suite, collaborators.ledger)
    free_reason = _free_reason(collaborators, declared, identity)
    spec = combined_spec(pair.new, pair.old)
    events = collaborators.open_events(spec)
    snapshot = events.snapshot(spec.streams, as_of)
    audit = audit_pair(events, pair, spec, snapshot, unequal=None, progress=collaborators.progress)
    if not free_reason and not compared(audit.findings):
        free_reason = "the two could not be compared on live points"
    if free_reason:
        return ManualAudit(audit, free_reason=free_reason)
    draft = _draft(declared, identity, pair, snapshot, audit)
    budget = declared.gates.budget
    entry = record_comparison(draft, budget, collaborators.ledger, collaborators.clock)
    return ManualAudit(audit, entry)


def _free_reason(
    collaborators: RetrainCollaborators, spec: ModelSpec, identity: RunIdentity
) -> str:
    """Why the audit shows nothing that the error budget limits; empty when it does."""
    if collaborators.ledger.champion(spec.name, LIVE) is None:
        return "there is no champion to challenge"
    if spec.rollout is not None:
        return "the recent window only admits to a canary, which uses its own try"
    champion = identity.champion
    registry = collaborators.versions.registry
    if champion is not None and spec.has_recipe(registry.get(spec.name, champion).recipe):
        return "the recipe is the champion's"
    return ""


def _draft(
    spec: ModelSpec, identity: RunIdentity, pair: Pair, snapshot: Snapshot, audit: Audit
) -> NewEntry:
    live = audit.finding("audit.live")
    return NewEntry(
        model=spec.name,
        kind="audit",
        run=identity.id,
        as_of=snapshot.as_of,
        champion_before=None,
        champion_after=None,
        reasons=(f"audit by hand against {pair.against}: {live.reason}",),
        findings=audit.findings,
        spec=spec.digest,
        recipe=spec.recipe,
        snapshot=snapshot.id,
    )


def choose_pair(collaborators: RetrainCollaborators, model: str, against: str | None) -> Pair:
    """Pair a declared recipe with another declaration, a version, or the champion.

    Arguments:
        collaborators: declarations, ledger and registry.
        model: a declared model: the candidate.
        against: path of a declaration, or a version; default: the live champion.

    Raises:
        SpecError: when there is no such declaration, or nothing to compare with.
        IntegrityError: when the version has no declaration.
    """
    new = collaborators.load_spec(model)
    if against is not None and against.endswith((".yaml", ".yml")):
        return Pair(load_model(Path(against)), new, against)
    version = against or collaborators.ledger.champion(model, LIVE)
    if version is None:
        raise SpecError(
            "there is nothing to audit against",
            where=model,
            got="no champion",
            wanted="--against a declaration or a version",
            hint=f"`gauntlet retrain {model}` makes a first version",
        )
    try:
        old = read_spec(collaborators.versions.download(model, version))
    except (OSError, ValueError) as cause:
        raise IntegrityError(
            "a version lacks its declaration", where=f"{model} version {version}", got=str(cause)
        ) from cause
    return Pair(old, new, f"version {version}")
