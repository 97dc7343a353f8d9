"""The text of ``models/<name>.yaml``: every guess has its evidence in a comment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import yaml

from pipelines.core.time import duration_text
from pipelines.scaffold.answers import Guess
from pipelines.scaffold.column_types import Column
from pipelines.scaffold.features import features
from pipelines.scaffold.profile import FileProfile
from pipelines.scaffold.roles import Roles
from pipelines.scaffold.shape import LEAST_ROWS, WEEK, PointKind, Shape


@dataclass(frozen=True)
class Proposal:
    """All that is known and guessed about a model.

    Arguments:
        name: of the model.
        stream: name of its stream.
        table: the table in PostgreSQL that the events stay in; ``None`` for imported files.
        profile: of the file or table.
        roles: of its columns.
        shape: decision points, label and spans.
    """

    name: str
    stream: str
    table: str | None
    profile: FileProfile
    roles: Roles
    shape: Shape


def declaration_text(proposal: Proposal) -> str:
    """The declaration as YAML with comments."""
    parts = (_header, _stream, _points, _label, _features, _training)
    return "\n".join("".join(f"{line}\n" for line in part(proposal)) for part in parts)


def _header(proposal: Proposal) -> Iterator[str]:
    profile, roles, shape = proposal.profile, proposal.roles, proposal.shape
    target = {
        PointKind.GRID: f"the {roles.aggregate.text} of {roles.label.text} in the coming "
        f"{shape.horizon.text}",
        PointKind.SLOW_PANEL: f"the next {roles.label.text}",
        PointKind.OUTCOME: f"what {roles.label.text} will be",
    }[shape.kind]
    entity = " and ".join(roles.entity.value)
    yield f"# Written by `gauntlet init` from {_comment(profile.file.name)}, {profile.rows:,} rows."
    yield '# Lines with "guess" are not certain: read them, and correct what is wrong.'
    yield "# yaml-language-server: $schema=./schema.json"
    yield f"name: {_flow(proposal.name)}"
    yield f"description: {_flow(f'For each {entity}, {target}.' if entity else f'{target}.')}"
    yield "owner: unknown                 # the person or team that is paged"


def _stream(proposal: Proposal) -> Iterator[str]:
    profile, roles = proposal.profile, proposal.roles
    event, known = profile.column(roles.event_time.text), roles.known_time.text
    is_column = any(one.name == known for one in profile.columns)
    yield "streams:"
    yield f"  {_flow(proposal.stream)}:"
    if proposal.table is not None:
        source = {"kind": "postgres", "table": proposal.table}
        naive = any(one.is_time and not one.zoned for one in profile.columns)
        zone = {"zone": event.reading.zone} if naive else {}
        yield f"    source: {_flow(source | zone)}"
    yield from _why("event_time", roles.event_time, "    ")
    if not event.zoned:
        yield f"    # guess: its times have no zone, and are on the clock of {event.reading.zone}"
    yield f"    event_time: {_flow(event.name)}"
    yield from _why("known_time", roles.known_time, "    ")
    yield f"    known_time: {_flow(known if is_column else {'event_time_plus': known})}"
    yield from _why("id", roles.id, "    ")
    if roles.id.value:
        yield f"    id: {_flow(list(roles.id.value))}"
    yield "    columns:"
    if not roles.entity.value:
        yield f"      {roles.keys[0]}: string   # the same in every row"
    outside = {event.name, known} - set(roles.id.value)
    for one in profile.columns:
        if one.name not in outside:
            yield f"      {_flow(one.name)}: {one.kind.value}{_about(one)}"


def _points(proposal: Proposal) -> Iterator[str]:
    roles, shape = proposal.roles, proposal.shape
    points: dict[str, Any] = {"kind": "event", "stream": proposal.stream, "keys": list(roles.keys)}
    if shape.kind is PointKind.GRID:
        active = max(4 * shape.ahead, timedelta(days=28))
        points |= {
            "kind": "grid",
            "every": duration_text(shape.every),
            "active_for": duration_text(active),
        }
    yield from _why("keys", roles.entity)
    yield f"points: {_flow(points)}"


def _label(proposal: Proposal) -> Iterator[str]:
    roles, shape = proposal.roles, proposal.shape
    horizon = {"horizon": shape.horizon.text, "delay": duration_text(shape.delay)}
    column = {"column": roles.label.text}
    label: dict[str, Any]
    of_keys: dict[str, Any] = {"stream": proposal.stream, "by": list(roles.keys)}
    yield from _why("column of the label", roles.label)
    if shape.kind is PointKind.GRID:
        yield from _why("aggregate", roles.aggregate)
    yield from _why("horizon", shape.horizon)
    if shape.kind is PointKind.OUTCOME:
        label = {"kind": "own_row", **column, "known_at": roles.label_known_at, **horizon}
    elif shape.kind is PointKind.SLOW_PANEL:
        label = {"kind": "later_event", **of_keys, **column, **horizon}
    else:
        label = {"kind": "aggregate", **of_keys, "aggregate": roles.aggregate.text} | column
        label |= horizon | ({"empty": None} if roles.aggregate.text == "mean" else {})
    yield f"label: {_flow(label)}"


def _features(proposal: Proposal) -> Iterator[str]:
    if proposal.shape.kind is PointKind.OUTCOME:
        yield "# guess: these columns are known when the event happens; remove those that are not"
    yield "features:"
    for feature in features(proposal.stream, proposal.profile, proposal.roles, proposal.shape):
        yield f"  - {_flow(feature)}"


def _training(proposal: Proposal) -> Iterator[str]:
    shape = proposal.shape
    kind = "Classifier" if shape.binary else "Regressor"
    metric: dict[str, Any] = {"name": "absolute_error", "minimum_effect": shape.minimum_effect}
    of_what = "a hundredth of the spread of the label"
    if shape.binary:
        metric, of_what = {"name": "log_loss", "minimum_effect": 0.003}, "in nats"
    yield from _why("train", shape.train)
    split = {"train": shape.train.text, "recent": duration_text(shape.recent)}
    yield f"split: {_flow(split)}"
    yield "estimator:"
    yield f"  path: sklearn.ensemble.HistGradientBoosting{kind}"
    yield "  parameters: {max_iter: 200, learning_rate: 0.05, max_features: 0.5}"
    yield f"# guess: minimum_effect is the smallest gain that is worth a new version, {of_what}"
    yield f"metric: {_flow(metric)}"
    if gates := _gates(shape):
        yield "# guess: what the recent window of this file can have"
        yield f"gates: {_flow(gates)}"
    yield '# schedule: "0 6 * * 1"                 # retrain every Monday at six'


def _gates(shape: Shape) -> dict[str, Any]:
    """Lower limits where a recent window has few rows or few different days."""
    gates: dict[str, Any] = {}
    recent: dict[str, int] = {}
    if shape.kind is PointKind.SLOW_PANEL:
        lookback = {"lookback": duration_text(shape.ahead + timedelta(days=3))}
        gates |= {"contract": lookback, "availability": lookback}
    if shape.kind is PointKind.SLOW_PANEL or shape.every >= WEEK:
        recent["minimum_days"] = 7
    if shape.recent_rows < 2 * LEAST_ROWS:
        recent["minimum_rows"] = max(30, shape.recent_rows // 2)
    return gates | ({"recent_window": recent} if recent else {})


def _why(what: str, guess: Guess, indent: str = "") -> Iterator[str]:
    if guess.evidence:
        yield f"{indent}# guess, {what}: {_comment(guess.evidence)}"


def _about(column: Column) -> str:
    facts = [] if column.is_time else [f"{column.distinct:,} values"]
    if column.missing:
        facts.append(f"missing in {column.missing:.1%} of the rows")
    if column.unreadable:
        facts.append(f"guess: {column.unreadable:.2%} of the values are of another type")
    return f"   # {', '.join(facts)}" if facts else ""


def _comment(text: str) -> str:
    """Text on one line, so that it stays in its comment."""
    return "".join(one if one.isprintable() else " " for one in text)[:200]


def _flow(value: object) -> str:
    """A value in YAML's flow style on one line, with the quotes that it needs."""
    text = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True
    )
    return text.removesuffix("...\n").strip()
