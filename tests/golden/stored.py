"""Everything that a release stored, read by today's code; and every class of what is stored."""

from __future__ import annotations

import json
import sqlite3
import typing
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from pipelines.adapters.database import open_engine
from pipelines.adapters.events.postgres import Increment
from pipelines.adapters.ledger.sql import SqlLedger
from pipelines.adapters.objects.local import LocalStore
from pipelines.adapters.online.sqlite import SqliteOnline
from pipelines.core.formats import StoredFormat
from pipelines.core.records import Record
from pipelines.core.time import FixedClock, parse_instant
from pipelines.data.events import FileEvents
from pipelines.data.scan import Scan
from pipelines.data.snapshot import Snapshot, load_snapshot, take_snapshot
from pipelines.drift.version_profile import VersionProfile
from pipelines.flows.frames import Frame
from pipelines.flows.retrain.audit import AuditResult
from pipelines.flows.retrain.availability import AvailabilityResult
from pipelines.flows.retrain.contract import ContractResult
from pipelines.flows.retrain.record import RecordResult
from pipelines.flows.retrain.train import TrainedCandidate
from pipelines.gates.canary.sums import CanaryEvidence
from pipelines.gates.recent_window.record import Evaluation
from pipelines.gates.refresh.record import RefreshRecord
from pipelines.gates.shadow.findings import ShadowEvidence
from pipelines.packaging import version as files
from pipelines.packaging.package import content_digest
from pipelines.release.ledger import Entry, chain_errors, replay
from pipelines.release.version_facts import version_from_tags
from pipelines.serving.plan import ServingPlan, read_plan
from pipelines.spec.model import ModelSpec
from pipelines.spec.predictions import LOG, prediction_log
from pipelines.spec.views import definitions
from pipelines.training.importance import Importance
from pipelines.training.split import SplitPlan

VERSION_FILES: dict[str, type[Record]] = {
    files.SPEC: ModelSpec,
    files.SUITE: files.SavedSuite,
    files.ENVELOPE: files.SavedSuite,
    files.SNAPSHOT: Snapshot,
    files.SPLIT: SplitPlan,
    files.EVALUATION: Evaluation,
    files.FINDINGS: files.SavedFindings,
    files.FEATURES: files.SavedFeatures,
    files.AUDIT: AuditResult,
}
STEP_RECORDS: dict[str, type[Record]] = {
    "snapshot": Snapshot,
    "contract": ContractResult,
    "availability": AvailabilityResult,
    "features": Frame,
    "train": TrainedCandidate,
    "evaluate": Evaluation,
    "audit": AuditResult,
}
RELEASE_EVIDENCE: dict[str, type[Record]] = {"shadow": ShadowEvidence, "promoted": CanaryEvidence}
ROOTS: tuple[type[Record], ...] = (
    Entry,
    ServingPlan,
    Increment,
    Scan,
    RefreshRecord,
    RecordResult,
    VersionProfile,
    Importance,
    *VERSION_FILES.values(),
    *STEP_RECORDS.values(),
    *RELEASE_EVIDENCE.values(),
)
CLOCK = FixedClock(parse_instant("2026-01-05T13:00:00Z"))


@dataclass(frozen=True)
class Golden:
    """The golden files of a release.

    Arguments:
        folder: with its files; a copy that a test may change.
    """

    folder: Path

    @cached_property
    def expected(self) -> dict[str, Any]:
        """The facts that the release wrote about the files."""
        found: dict[str, Any] = json.loads((self.folder / "expected.json").read_text())
        return found

    def database(self, name: str) -> Path:
        """A SQLite file with the content of a dump."""
        path = self.folder / f"{name}.db"
        if not path.exists():
            with closing(sqlite3.connect(path)) as connection:
                connection.executescript((self.folder / f"{name}.sql").read_text())
        return path

    @property
    def ledger(self) -> SqlLedger:
        """The ledger, not read before."""
        return SqlLedger(open_engine(f"sqlite:///{self.database('ledger')}"), CLOCK)

    @property
    def online(self) -> SqliteOnline:
        """The online store."""
        return SqliteOnline(self.database("online"))

    @property
    def version(self) -> Path:
        """The directory of version 2."""
        return self.folder / "version"

    def check_ledger(self) -> None:
        """Every entry has its hash and its old content, and replays to its decision."""
        ledger, chain = self.ledger, self.expected["chain"]
        assert ledger.verify("demand") == len(chain)
        entries = ledger.entries("demand")
        assert not chain_errors(entries)
        for entry, expected in zip(entries, chain, strict=True):
            assert {
                "sequence": entry.sequence,
                "kind": entry.kind,
                "outcome": entry.outcome,
                "champion_after": entry.champion_after,
                "findings": len(entry.findings),
                "evidence": entry.decision.evidence if entry.decision else None,
                "hash": entry.hash,
            } == expected
            if entry.decision is not None:
                assert replay(entry) == entry.decision

    def check_version(self) -> None:
        """The version has its content, its declaration its digests; all evidence can be read."""
        expected = self.expected
        assert content_digest(self.version) == expected["content"]
        read = files.read_version(self.version, "demand", "2")
        assert read.spec.digest == expected["spec"]
        assert read.spec.has_recipe(expected["recipe"])
        kept = {name: saved.definition for name, saved in read.features.items()}
        assert definitions(read.spec) == expected["definitions"] == kept
        assert read.envelope["expectations"]
        for name, kind in VERSION_FILES.items():
            assert files.read_record(self.version, name, kind)
        assert files.read_findings(self.version)
        tags = json.loads((self.folder / "tags.json").read_text())
        info = version_from_tags("demand", "2", tags)
        assert (info.spec, info.recipe) == (expected["spec"], expected["recipe"])
        assert (info.snapshot, info.content) == (expected["snapshot"], expected["content"])

    def check_online(self) -> None:
        """Every feature that was materialized still is, and rows come back."""
        store = self.online
        views = {state.name: state for state in store.views()}
        assert views.keys() == self.expected["views"].keys()
        stored = {one for state in views.values() for one in state.definitions}
        spec = files.read_spec(self.version)
        windows = [feature for feature in spec.features if feature.kind == "window"]
        assert windows
        assert stored >= {definitions(spec)[feature.name] for feature in windows}
        for name, expected in self.expected["views"].items():
            assert views[name].as_of == parse_instant(expected["as_of"])
            assert list(views[name].definitions) == expected["definitions"]
            with closing(sqlite3.connect(self.database("online"))) as connection:
                keys = connection.execute(
                    "SELECT key FROM online_row JOIN online_view ON id = view WHERE name = ?",
                    (name,),
                ).fetchall()
            found = store.read(name, [tuple(json.loads(key)) for (key,) in keys])
            assert len(found.rows) == len(keys) > 0
            for row in found.rows:
                assert row is not None
                assert len(row.values) == len(expected["definitions"])

    def check_data(self) -> None:
        """The manifest has its id; an object of the prediction log is read as any event."""
        snapshot = load_snapshot(self.folder / "cache", self.expected["snapshot"])
        assert snapshot.id == self.expected["snapshot"]
        streams = {LOG: prediction_log("demand")}
        source = FileEvents(LocalStore(self.folder / "store"))
        log = take_snapshot(streams, CLOCK.now(), {LOG: source}, self.folder / "own_cache")
        assert log.streams[LOG].rows == self.expected["log"]["rows"]

    def check_records(self) -> None:
        """Step records, release evidence and the serving plan can be read."""
        for name, kind in STEP_RECORDS.items():
            path = self.folder / "run" / f"{name}.json"
            assert StoredFormat(name, kind).from_text(path.read_bytes(), str(path))
        for name, kind in RELEASE_EVIDENCE.items():
            (path,) = (self.folder / "releases").glob(f"*.{name}.json")
            assert StoredFormat(name, kind).from_text(path.read_bytes(), str(path))
        (self.folder / "plans").mkdir(exist_ok=True)
        (self.folder / "plans" / "demand.json").write_bytes(
            (self.folder / "plan.json").read_bytes()
        )
        plan = read_plan(self.folder / "plans", "demand")
        assert plan is not None
        assert plan.champion.content == self.expected["content"]

    def check(self) -> None:
        """Read and verify everything."""
        self.check_ledger()
        self.check_version()
        self.check_online()
        self.check_data()
        self.check_records()


def _parts(annotation: Any) -> Iterator[type[Record]]:
    """Classes of records in a type annotation."""
    if isinstance(annotation, type) and issubclass(annotation, Record):
        yield annotation
    for part in typing.get_args(annotation):
        yield from _parts(part)


def _parts_of(kind: type[Record]) -> set[type[Record]]:
    found = {part for field in kind.model_fields.values() for part in _parts(field.annotation)}
    return found | {base for base in kind.__mro__[1:] if issubclass(base, Record)} - {Record}


def _closure(kinds: tuple[type[Record], ...]) -> list[type[Record]]:
    """The classes and all that they are made of, each after its parts."""
    done: dict[type[Record], None] = {}

    def visit(kind: type[Record]) -> None:
        if kind not in done:
            for part in sorted(_parts_of(kind), key=lambda part: part.__qualname__):
                visit(part)
            done[kind] = None

    for kind in kinds:
        visit(kind)
    return list(done)


STORED_CLASSES = _closure(ROOTS)


@contextmanager
def added_field(kind: type[Record]) -> Iterator[None]:
    """A release in which the class has one field more, with a default."""
    changed = {one for one in STORED_CLASSES if issubclass(one, kind)}
    affected = [one for one in STORED_CLASSES if changed & set(_closure((one,)))]
    # Such a release makes its default values from the changed class; here they exist already.
    defaults = [one for one in _default_records() if type(one) in changed]
    for one in changed:
        assert "added_later" not in one.__pydantic_fields__
        one.__pydantic_fields__["added_later"] = FieldInfo(annotation=str, default="as before")
    for default in defaults:
        default.__dict__["added_later"] = "as before"
    try:
        _rebuild(affected)
        yield
    finally:
        for one in changed:
            del one.__pydantic_fields__["added_later"]
        for default in defaults:
            default.__dict__.pop("added_later", None)
        _rebuild(affected)


def _default_records() -> Iterator[Record]:
    """Records among the default values of stored classes, also nested ones."""
    waiting = [field.default for kind in STORED_CLASSES for field in kind.model_fields.values()]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Record):
            yield value
            waiting += list(value.__dict__.values())
        elif isinstance(value, tuple):
            waiting += list(value)


def _rebuild(kinds: list[type[Record]]) -> None:
    """Compile the classes again, each after its parts."""
    for kind in kinds:
        for name in ("core_schema", "validator", "serializer"):
            if f"__pydantic_{name}__" in kind.__dict__:
                delattr(kind, f"__pydantic_{name}__")
        kind.__pydantic_complete__ = False
    for kind in kinds:
        assert kind.model_rebuild(force=True)
