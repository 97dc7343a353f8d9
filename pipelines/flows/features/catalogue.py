"""The catalogue of features: their definitions, and the users and status of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import Field

from pipelines.core.errors import GauntletError
from pipelines.core.findings import Finding, Verdict
from pipelines.core.records import Instant, Record
from pipelines.features.online.store import OnlineStore, ViewState
from pipelines.flows.versions import VersionReader
from pipelines.packaging.version import SavedFeature, SavedFeatures
from pipelines.release.ledger import LIVE, Entry, Ledger
from pipelines.spec.features import AttributeFeature, Feature, WindowFeature
from pipelines.spec.model import ModelSpec
from pipelines.spec.views import cadence_of, definition_of, definitions

if TYPE_CHECKING:
    import pandas as pd

ENVELOPE = "contract.envelope."
State = Literal["request", "computed", "fresh", "stale", "absent", "empty", "unknown"]


class OnlineStats(Record):
    """How a feature reaches a prediction.

    ``request``: sent with the predict request; ``computed``: from the events, on request;
    ``fresh`` or ``stale``: stored, younger or older than its ttl; ``absent``: its view is stored
    without it; ``empty``: its view was never materialized; ``unknown``: the store was not read.
    """

    state: State
    as_of: Instant | None = None
    age_s: float | None = None
    ttl_s: float | None = None


class FeatureUsage(Record):
    """The use of a definition in one model."""

    model: str
    declared: bool = Field(description="whether the declaration has it; else only the champion")
    champion: str | None = Field(description="the champion's version, when that uses it")
    online: OnlineStats
    missing_share: float | None = Field(description="offline, of the champion's recent window")
    drift: tuple[str, ...] | None = Field(
        description="findings of the champion's envelope that did not pass in the newest run, of "
        "the columns that it reads; null: nothing compared them"
    )


class FeatureEntry(Record):
    """A feature: a name and a definition."""

    name: str
    definition: str
    what: str = Field(description="the definition in words")
    kind: Literal["attribute", "calendar", "window"]
    view: str | None = Field(description="its feature view; null: it comes with the request")
    entity: tuple[str, ...] = Field(description="columns that a value belongs to")
    uses: tuple[FeatureUsage, ...]


class FeatureCatalogue(Record):
    """Every feature of some models and their champions."""

    as_of: Instant
    features: tuple[FeatureEntry, ...]
    problems: tuple[str, ...] = Field(description="what could not be looked at, and why")


class _User(NamedTuple):
    """A declaration that uses features: the one in the folder or the champion's."""

    spec: ModelSpec
    version: str | None
    saved: Mapping[str, SavedFeature]


class _Row(NamedTuple):
    """A definition, as declared by its first user, and all its users by model."""

    spec: ModelSpec
    feature: Feature
    uses: dict[str, FeatureUsage]


def save_features(spec: ModelSpec, rows: pd.DataFrame) -> SavedFeatures:
    """The record of its features that is saved with a version.

    Arguments:
        spec: the version's declaration.
        rows: decision points of the recent window, with one column for each feature.
    """
    return SavedFeatures(
        features={
            name: SavedFeature(
                definition=definition,
                missing_share=float(rows[name].isna().mean()) if len(rows) else None,
            )
            for name, definition in definitions(spec).items()
        }
    )


def catalogue(
    specs: Iterable[ModelSpec],
    ledger: Ledger,
    versions: VersionReader,
    online: OnlineStore,
    now: datetime,
) -> FeatureCatalogue:
    """The features of declared models and of their champions.

    Arguments:
        specs: the declared models.
        ledger: holds the champions and the findings of the newest runs.
        versions: reads the champions.
        online: the online store of production.
        now: the present instant.

    Returns:
        One row for each name and definition, in declared order. A store or a champion that
        cannot be read is listed among the problems; the others are still reported.
    """
    problems: list[str] = []
    views: dict[str, ViewState] | None = None
    try:
        views = {state.name: state for state in online.views()}
    except GauntletError as problem:
        problems.append(f"the online store ({problem.what}: {problem.got or problem.where})")
    rows: dict[tuple[str, str], _Row] = {}
    for spec in specs:
        findings = _newest(ledger.entries(spec.name, LIVE))
        users = [_User(spec, None, {})]
        try:
            users += _champion(spec.name, ledger, versions)
        except GauntletError as problem:
            problems.append(f"the champion of {spec.name} cannot be read: {problem.what}")
        for own, version, kept in users:
            for feature in own.features:
                saved = kept.get(feature.name) or SavedFeature(
                    definition=definition_of(own, feature)
                )
                key = feature.name, saved.definition
                uses = rows.setdefault(key, _Row(own, feature, {})).uses
                served = {"champion": version, "missing_share": saved.missing_share}
                if spec.name in uses:
                    uses[spec.name] = uses[spec.name].model_copy(update=served)
                else:
                    uses[spec.name] = FeatureUsage(
                        model=spec.name,
                        declared=version is None,
                        online=_online(own, feature, saved.definition, views, now),
                        drift=_drift(own, feature, findings),
                        **served,
                    )
    return FeatureCatalogue(
        as_of=now,
        features=tuple(
            FeatureEntry(
                name=name,
                definition=definition,
                what=row.feature.in_words,
                kind=row.feature.kind,
                view=row.feature.view if isinstance(row.feature, WindowFeature) else None,
                entity=_entity(row.spec, row.feature),
                uses=tuple(row.uses.values()),
            )
            for (name, definition), row in rows.items()
        ),
        problems=tuple(problems),
    )


def _champion(model: str, ledger: Ledger, versions: VersionReader) -> list[_User]:
    version = ledger.champion(model, LIVE)
    if version is None:
        return []
    champion = versions.load(model, version)
    return [_User(champion.spec, version, champion.features)]


def _entity(spec: ModelSpec, feature: Feature) -> tuple[str, ...]:
    if isinstance(feature, WindowFeature):
        return feature.by
    return spec.points.keys if isinstance(feature, AttributeFeature) else ()


def _online(
    spec: ModelSpec,
    feature: Feature,
    definition: str,
    views: Mapping[str, ViewState] | None,
    now: datetime,
) -> OnlineStats:
    if not isinstance(feature, WindowFeature):
        return OnlineStats(state="request")
    cadence = cadence_of(spec, feature)
    if cadence is None:
        return OnlineStats(state="computed")
    ttl = cadence.lifetime.total_seconds()
    if views is None:
        return OnlineStats(state="unknown", ttl_s=ttl)
    state = views.get(f"{spec.name}.{feature.view}")
    if state is None:
        return OnlineStats(state="empty", ttl_s=ttl)
    age = now - state.as_of
    there: State = "fresh" if age <= timedelta(seconds=ttl) else "stale"
    return OnlineStats(
        state=there if definition in state.definitions else "absent",
        as_of=state.as_of,
        age_s=age.total_seconds(),
        ttl_s=ttl,
    )


def _newest(entries: Sequence[Entry]) -> tuple[Finding, ...]:
    """The envelope's findings from the newest decision that has any."""
    for entry in reversed(entries):
        found = tuple(f for f in entry.findings if f.name.startswith(ENVELOPE))
        if found:
            return found
    return ()


def _drift(
    spec: ModelSpec, feature: Feature, findings: Sequence[Finding]
) -> tuple[str, ...] | None:
    if isinstance(feature, AttributeFeature):
        stream, read = spec.points.stream, {feature.source}
    elif isinstance(feature, WindowFeature):
        stream = feature.stream
        read = {*feature.by, *(one.column for one in feature.where)}
        read |= {feature.column} if feature.column else set()
    else:
        return None
    about = {}
    for finding in findings:
        where, column = finding.name.removeprefix(ENVELOPE).split(".")[:2]
        if where == stream and (read & set(column.split("-"))):
            about[finding.name] = finding.verdict
    if not about:
        return None
    return tuple(name for name, verdict in about.items() if verdict is not Verdict.PASS)
