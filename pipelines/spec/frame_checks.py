"""Contradictions in the parts of a declaration that determine the rows and columns of a frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from pipelines.core.names import VIEW, Column, folded
from pipelines.spec.features import AttributeFeature, ExpressionFeature, Feature, WindowFeature
from pipelines.spec.fields import NUMBERS, ColumnType, Condition, value_types
from pipelines.spec.frame import FrameSpec
from pipelines.spec.points import AggregateLabel, EventPoints, LaterEventLabel, WindowAggregate
from pipelines.spec.streams import FilesSource

FRAME_COLUMNS = ("decision_time", "label", "matured_at")  # columns that every frame has
_LOGS = ("predictions", "scores")  # folders of the store with a folder for each model
_ORDERED = (ColumnType.INTEGER, ColumnType.FLOAT, ColumnType.STRING, ColumnType.TIMESTAMP)
# The types of column that an aggregate takes; aggregates that are not listed take every type.
_AGGREGATE_TYPES: Mapping[str, tuple[ColumnType, ...]] = {
    **dict.fromkeys(("sum", "mean", "std", "median", "quantile"), NUMBERS),
    **dict.fromkeys(("min", "max"), _ORDERED),
}


def frame_problems(frame: FrameSpec) -> Iterator[str]:
    """The contradictions in a frame's declaration, one sentence each.

    A sentence begins with its place, such as ``features.sold_7d: ``, where it has one.
    """
    yield from _folder_problems(frame)
    unknown = list(_reference_problems(frame))
    yield from unknown
    yield from _name_problems(frame)
    if frame.points.stream in frame.streams:
        problems = list(_point_problems(frame))
        yield from problems
        yield from _expression_problems(frame)
        if not unknown and not problems:
            yield from _type_problems(frame)
    yield from _view_problems(frame)


def _references(
    frame: FrameSpec,
) -> Iterator[tuple[str, str, Column | None, tuple[Column, ...], tuple[Condition, ...]]]:
    """Every reference to a stream: place, stream, aggregated column, keys, conditions."""
    points, label = frame.points, frame.label
    yield "points", points.stream, None, points.keys, points.where
    if isinstance(label, AggregateLabel | LaterEventLabel):
        yield "label", label.stream, label.column, label.by, label.where
    for feature in frame.window_features:
        place = f"features.{feature.name}"
        yield place, feature.stream, feature.column, feature.by, feature.where


def _folder_problems(frame: FrameSpec) -> Iterator[str]:
    """Streams in the store whose folder contains the folder of another stream or log."""
    folders = {
        name: stream.source.folder(name)
        for name, stream in frame.streams.items()
        if isinstance(stream.source, FilesSource)
    }
    for name, folder in folders.items():
        within = {other for other in folders.values() if other.startswith(f"{folder}/")}
        if within or folder in _LOGS:
            inner = min(within) if within else f"{folder}/<model>, where Gauntlet writes its own"
            yield (
                f"streams.{name}: its folder {folder!r} in the store contains the folder {inner}; "
                "set source.path to another folder"
            )


def _reference_problems(frame: FrameSpec) -> Iterator[str]:
    for place, stream, column, by, where in _references(frame):
        if stream not in frame.streams:
            declared = sorted(frame.streams)
            yield f"{place}: stream {stream!r} is not declared; there are {declared}"
            continue
        columns = {*by, *(condition.column for condition in where), *filter(None, [column])}
        missing = sorted(columns - set(frame.streams[stream].columns))
        if missing:
            declared = sorted(frame.streams[stream].columns)
            yield f"{place}: stream {stream!r} has no column {missing}; it declares {declared}"


def _name_problems(frame: FrameSpec) -> Iterator[str]:
    """Columns of the frame with one name; names that differ by case only are the same."""
    count = Counter(map(folded, frame.feature_names))
    for number, name in enumerate(frame.feature_names):
        if count[folded(name)] > 1:
            yield f"features.{number}: the name {name!r} stands twice"
    keys = {folded(key): key for key in frame.points.keys}
    for key in frame.points.keys:
        if folded(key) in FRAME_COLUMNS:
            yield f"points.keys: {key!r} is the name of another column of the frame"
    for feature in frame.features:
        same = keys.get(folded(feature.name))
        is_key = isinstance(feature, AttributeFeature) and feature.source == feature.name == same
        if folded(feature.name) in FRAME_COLUMNS or (same is not None and not is_key):
            other = "another column of the frame" if same is None else f"the key {same!r}"
            case = "" if same in (None, feature.name) else ", because case does not count"
            yield f"features.{feature.name}: the name is that of {other}{case}; choose another"


def _point_problems(frame: FrameSpec) -> Iterator[str]:
    """Columns that features and label need and that the decision point does not have."""
    point = frame.point_columns()
    for feature in frame.features:
        needed = feature.by if isinstance(feature, WindowFeature) else ()
        missing = sorted({*needed, *_point_columns_of(frame, feature)} - set(point))
        if missing:
            yield (
                f"features.{feature.name}: a decision point has no {missing}; "
                f"it has {sorted(point)}"
            )
    yield from _label_problems(frame)


def _label_problems(frame: FrameSpec) -> Iterator[str]:
    point, label = frame.point_columns(), frame.label
    if isinstance(label, AggregateLabel | LaterEventLabel):
        missing = sorted(set(label.by) - set(point))
        if missing:
            yield f"label.by: a decision point has no {missing}; it has {sorted(point)}"
    elif label is not None and isinstance(frame.points, EventPoints):
        missing = sorted({label.column, label.known_at} - set(point))
        if missing:
            yield f"label: the point's row has no {missing}; it has {sorted(point)}"
        elif point[label.known_at] is not ColumnType.TIMESTAMP:
            yield (
                f"label.known_at: {label.known_at} is of type {point[label.known_at].value}, "
                "wanted a column of type timestamp"
            )
        leaks = sorted(
            feature.name
            for feature in frame.features
            if {label.column, label.known_at} & set(_point_columns_of(frame, feature))
        )
        if leaks:
            yield f"features: {leaks} are the label itself, which no decision point can know"
    elif label is not None:
        yield "label: own_row needs points of kind event"


def _point_columns_of(frame: FrameSpec, feature: Feature) -> list[Column]:
    """The columns of the decision point whose values a feature takes."""
    if isinstance(feature, AttributeFeature):
        return [feature.source]
    return frame.point_operands(feature) if isinstance(feature, ExpressionFeature) else []


def _expression_problems(frame: FrameSpec) -> Iterator[str]:
    """Operands that are no numbers, or expressions themselves."""
    features = {feature.name: feature for feature in frame.features}
    columns = frame.point_columns()
    for feature in frame.features:
        if not isinstance(feature, ExpressionFeature):
            continue
        for name in feature.operands:
            operand = features.get(name)
            if isinstance(operand, ExpressionFeature):
                yield (
                    f"features.{feature.name}: {name!r} is an expression itself; write it out in "
                    "parentheses"
                )
                continue
            try:
                kind = columns.get(name) if operand is None else frame.type_of(operand)
            except KeyError:
                continue  # reported where the operand is declared
            takes_texts = feature.function is not None and kind is ColumnType.STRING
            if kind is not None and kind not in NUMBERS and not takes_texts:
                yield f"features.{feature.name}: {name!r} is a {kind.value}, not a number"


def _type_problems(frame: FrameSpec) -> Iterator[str]:
    """Aggregates, keys and conditions that do not fit the types of their columns."""
    point = frame.point_columns()
    for place, stream, _column, by, where in _references(frame):
        columns = frame.streams[stream].columns
        for key in by:
            if key in point and point[key] != columns[key]:
                yield (
                    f"{place}: the key {key!r} is of type {point[key].value} in the point and of "
                    f"type {columns[key].value} in {stream!r}, so that no key would match"
                )
        for condition in where:
            yield from _condition_problems(place, condition, columns[condition.column])
    for feature in frame.window_features:
        columns = frame.streams[feature.stream].columns
        place = f"features.{feature.name}"
        yield from _aggregate_problems(place, feature.aggregate, feature.column, columns)
    if isinstance(frame.label, AggregateLabel):
        yield from _aggregate_label_problems(frame.label, frame.streams[frame.label.stream].columns)


def _condition_problems(place: str, condition: Condition, kind: ColumnType) -> Iterator[str]:
    wanted = value_types(kind)
    for value in condition.values:
        if type(value) not in wanted:
            kinds = " or ".join(each.__name__ for each in wanted) or "a column of another type"
            yield (
                f"{place}.where: {condition.column} is of type {kind.value} and is compared with "
                f"{value!r}; wanted {kinds}"
            )


def _aggregate_problems(
    place: str,
    aggregate: WindowAggregate,
    column: Column | None,
    columns: Mapping[Column, ColumnType],
) -> Iterator[str]:
    wanted = _AGGREGATE_TYPES.get(aggregate)
    if wanted and column is None:
        yield f"{place}: {aggregate} needs a column"
    elif wanted and column is not None and columns[column] not in wanted:
        yield (
            f"{place}: {aggregate} does not fit {column} of type {columns[column].value}; "
            f"wanted {' or '.join(kind.value for kind in wanted)}"
        )


def _aggregate_label_problems(
    label: AggregateLabel, columns: Mapping[Column, ColumnType]
) -> Iterator[str]:
    """As of an aggregate; besides, the label is a number."""
    problems = list(_aggregate_problems("label", label.aggregate, label.column, columns))
    yield from problems
    if label.aggregate == "count":
        if label.column is not None:
            yield "label: count takes no column; `where` chooses the events that count"
    elif label.column is not None and not problems and columns[label.column] not in NUMBERS:
        yield (
            f"label: {label.aggregate} of {label.column} is a {columns[label.column].value}, "
            "not a number"
        )


def _view_problems(frame: FrameSpec) -> Iterator[str]:
    windows = frame.window_features
    views = {feature.view: feature for feature in reversed(windows)}  # the first of each
    for name in frame.serving.views if frame.serving else ():
        if name not in views:
            yield f"serving.views.{name}: there is no such view; the features make {sorted(views)}"
    for feature in windows:
        other = views[feature.view]
        if (feature.stream, feature.by) != (other.stream, other.by):
            yield (
                f"features.{feature.name}: its view has the same name as that of {other.name}, "
                f"{feature.view!r}; rename a stream or a column"
            )
        if len(feature.view) > VIEW.longest:
            yield (
                f"features.{feature.name}: the name of its view, stream and keys together, has "
                f"{len(feature.view)} characters, wanted at most {VIEW.longest}"
            )
