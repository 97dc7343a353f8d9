"""The audit when a person asks for it. What is seen of a new recipe on recent rows is a try."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.core.errors import IntegrityError, SpecError
from pipelines.core.time import instant_text
from pipelines.data.snapshot import Snapshot
from pipelines.flows.collaborators import Parts, Run, open_run
from pipelines.flows.retrain.audit import Pair, audit_pair
from pipelines.flows.retrain.request import Request
from pipelines.gates.budget.findings import SPENT
from pipelines.packaging.version import read_spec
from pipelines.release.budget import compared
from pipelines.release.dry_run import record_comparison
from pipelines.release.ledger import LIVE, Draft, Entry
from pipelines.spec.combine import combined_spec
from pipelines.spec.load import load_model

if TYPE_CHECKING:
    from pipelines.gates.audit.record import Audit


@dataclass(frozen=True)
class ByHand:
    """An audit that a person asked for.

    ``look`` is its entry in the ledger; where it has none, ``free`` says why it is no try.
    """

    audit: Audit
    look: Entry | None = None
    free: str = ""

    @property
    def told(self) -> str:
        """What it cost, for whoever asked."""
        if self.look is None:
            return f"no try: {self.free}"
        spent = next(finding for finding in self.look.findings if finding.name == SPENT)
        return (
            f"recorded as a look: {spent.reason}; `--as-of {instant_text(self.look.as_of)}` shows "
            "it again, and retrains it, at no further cost"
        )


def audit_by_hand(parts: Parts, pair: Pair, as_of: datetime) -> ByHand:
    """The audit of two declarations as of an instant.

    Where it shows how another recipe than the live champion's does on the recent window, that is
    what the error budget rations, whatever the recipe is held against. So it is recorded before it
    is shown, under the run that a retraining of the same question has: the two are one try.

    Raises:
        SpecError: when the two recipes cannot stand in one frame.
        DataError: when one of them cannot be fitted or judged.
        TimeError: when as-of lies in the future.
        Unavailable: the ledger did not answer, and nothing is shown; running again is safe.
    """
    run = open_run(Request(model=pair.new.name, as_of=as_of), parts)
    free = _free(run)
    spec = combined_spec(pair.new, pair.old)
    snapshot = parts.open_events(spec).snapshot(spec.streams, as_of)
    found = audit_pair(parts, pair, spec, snapshot, unequal=None)
    if not free and not compared(found.findings):
        free = "the two could not be compared on live points"
    return ByHand(found, free=free) if free else ByHand(found, _record(run, pair, snapshot, found))


def _free(run: Run) -> str:
    """Why nothing that is rationed can be seen of the recipe; empty when it can."""
    if run.parts.ledger.champion(run.spec.name, LIVE) is None:
        return "there is no champion to challenge"
    if run.spec.rollout is not None:
        return "the recent window only admits to a canary, which pays for itself"
    champion = run.champion
    if champion is not None and champion.recipe == run.spec.recipe:
        return "the recipe is the champion's"
    return ""


def _record(run: Run, pair: Pair, snapshot: Snapshot, found: Audit) -> Entry:
    draft = Draft(
        model=run.spec.name,
        kind="audit",
        run=run.id,
        as_of=run.request.as_of,
        champion_before=None,
        champion_after=None,
        reasons=(f"audit by hand against {pair.against}: {found.finding('audit.live').reason}",),
        findings=found.findings,
        spec=run.spec.digest,
        recipe=run.spec.recipe,
        snapshot=snapshot.id,
    )
    return record_comparison(draft, run.spec.gates.budget, run.parts.ledger, run.parts.clock)


def choose_pair(parts: Parts, model: str, against: str | None) -> Pair:
    """The declared recipe against another declaration, a version, or the champion.

    Arguments:
        model: a declared model: the candidate.
        against: path of a declaration, or a version; default: the live champion.

    Raises:
        SpecError: when there is no such declaration, or nothing to hold it against.
    """
    new = parts.load_spec(model)
    if against is not None and against.endswith((".yaml", ".yml")):
        return Pair(load_model(Path(against)), new, against)
    version = against or parts.ledger.champion(model, LIVE)
    if version is None:
        raise SpecError(
            "there is nothing to audit against",
            where=model,
            got="no champion",
            wanted="--against a declaration or a version",
            hint=f"`gauntlet retrain {model}` makes a first version",
        )
    try:
        old = read_spec(parts.versions.download(model, version))
    except (OSError, ValueError) as cause:
        raise IntegrityError(
            "a version lacks its declaration", where=f"{model} version {version}", got=str(cause)
        ) from cause
    return Pair(old, new, f"version {version}")
