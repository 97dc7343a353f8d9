"""Checks of an installation: what works, and what to do about what does not.

Only an empty online store is made where an embedded one does not exist yet.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

from pipelines.core.errors import GauntletError
from pipelines.core.records import Record
from pipelines.core.time import Clock
from pipelines.data.objects import ObjectStore
from pipelines.features.online.store import OnlineStore
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.registry import CHAMPION, Registry
from pipelines.release.rollout.segment_champions import segment_alias
from pipelines.release.rollout.state import ReleaseState
from pipelines.release.verification import verified_entries
from pipelines.spec.model import ModelSpec

FREE_BYTES = 2 << 30  # what a retraining of a few million rows needs beside its snapshot


class Check(Record):
    """One checked fact."""

    name: str
    ok: bool
    found: str
    fix: str = ""


@dataclass(frozen=True)
class DoctorCollaborators:
    """What is checked.

    Arguments:
        home: folder of everything that is written.
        declared: the names of the declared models.
        load_spec: reads a declaration by the model's name.
        load_suite: reads a model's hand-written suite.
        open_store: opens the object store of a model.
        open_shared: opens the object store that machines share; ``None``: there is one machine.
        registry: holds the versions.
        ledger: has the decisions.
        online: the online store.
        clock: gives the present instant.
    """

    home: Path
    declared: Callable[[], tuple[str, ...]]
    load_spec: Callable[[str], ModelSpec]
    load_suite: Callable[[ModelSpec], object]
    open_store: Callable[[ModelSpec], ObjectStore]
    open_shared: Callable[[], ObjectStore] | None
    registry: Registry
    ledger: Ledger
    online: OnlineStore
    clock: Clock


def diagnose(using: DoctorCollaborators) -> Iterator[Check]:
    """Every check, in the order in which a person would repair things."""
    yield Check(
        name="versions",
        ok=True,
        found=f"gauntlet {version('gauntlet')}, Python {platform.python_version()}",
    )
    yield _home(using.home)
    names = using.declared()
    yield Check(
        name="declarations",
        ok=bool(names),
        found=f"{len(names)} in the folder of declarations",
        fix="" if names else "write models/<name>.yaml, or set GAUNTLET_MODELS",
    )
    specs: dict[str, ModelSpec] = {}
    for name in names:
        try:
            specs[name] = using.load_spec(name)
            using.load_suite(specs[name])
            yield Check(name=f"model {name}", ok=True, found="declaration and suite can be read")
        except GauntletError as problem:
            yield _problem(f"model {name}", problem)
    yield _checked("online store", lambda: f"{len(using.online.views())} views")
    for spec in {spec.store: spec for spec in specs.values()}.values():
        yield _store("event store", partial(using.open_store, spec))
    if using.open_shared is not None:
        yield _store("shared store", using.open_shared)
    chains = {name: _chain(name, using.ledger) for name in names}
    recorded = [own[-1].recorded_at for own in chains.values() if isinstance(own, tuple) and own]
    if recorded:
        yield _clock(using.clock.now(), max(recorded))
    for name, entries in chains.items():
        yield from _model(name, entries, using)


def _chain(name: str, ledger: Ledger) -> tuple[Entry, ...] | GauntletError:
    try:
        return verified_entries(name, ledger)
    except GauntletError as problem:
        return problem


def _home(home: Path) -> Check:
    free = shutil.disk_usage(home).free
    found = f"{home}, {free / (1 << 30):.1f} GiB free"
    fix = "" if free >= FREE_BYTES else "free some space: a retraining may need 2 GiB"
    if not os.access(home, os.W_OK):
        fix = "change the rights of the home, or set GAUNTLET_HOME"
    return Check(name="home", ok=not fix, found=found, fix=fix)


def _store(name: str, open_store: Callable[[], ObjectStore]) -> Check:
    def first() -> str:
        store = open_store()
        there = next(iter(store.list("")), None)
        return f"{store.address}, {'has objects' if there else 'empty'}"

    return _checked(name, first)


def _model(
    name: str, entries: tuple[Entry, ...] | GauntletError, using: DoctorCollaborators
) -> Iterator[Check]:
    """The ledger of a model, and the alias in the registry."""
    if isinstance(entries, GauntletError):
        yield _problem(f"ledger of {name}", entries)
        return
    yield Check(name=f"ledger of {name}", ok=True, found=f"{len(entries)} entries, chain is whole")
    yield _checked(
        f"alias of {name}",
        lambda: _alias(name, entries[-1].champion_after if entries else None, using.registry),
    )
    segments = ReleaseState.from_entries(name, entries).segments
    for value, own in segments.champions.items() if segments else ():
        alias = segment_alias(value)
        yield _checked(
            f"alias {alias} of {name}",
            partial(_alias, name, own.version, using.registry, alias),
        )


def _clock(now: datetime, newest: datetime) -> Check:
    late = newest > now
    found = f"{_second(now)}, newest ledger entry {_second(newest)}"
    fix = "the ledger is ahead of the clock: synchronise the machine's time" if late else ""
    return Check(name="clock", ok=not late, found=found, fix=fix)


def _second(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _alias(name: str, champion: str | None, registry: Registry, called: str = CHAMPION) -> str:
    """That registry and ledger agree.

    Raises:
        GauntletError: they do not; the next run of the model sets the alias.
    """
    alias = registry.alias(name, called)
    if alias != champion:
        raise GauntletError(
            "the alias is not the ledger's champion",
            got=f"alias {alias or 'none'}, ledger {champion or 'none'}",
            hint=f"`gauntlet release {name}` sets the alias as the ledger has it",
        )
    return f"version {champion}, as in the ledger" if champion else "no champion yet"


def _checked(name: str, read: Callable[[], str]) -> Check:
    try:
        return Check(name=name, ok=True, found=read())
    except GauntletError as problem:
        return _problem(name, problem)


def _problem(name: str, problem: GauntletError) -> Check:
    return Check(name=name, ok=False, found=problem.summary, fix=problem.hint)
