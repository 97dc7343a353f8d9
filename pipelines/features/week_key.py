"""The key of a week of decision points: a hash of everything that determines their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any

from pipelines.core.records import digest_of
from pipelines.core.time import MICROSECOND, instant_text
from pipelines.core.weeks import WEEK, monday_before
from pipelines.data.week_sums import WeekSum
from pipelines.features.reach import Reach, reaches
from pipelines.own_code.libraries import library_versions
from pipelines.spec.features import ExpressionFeature
from pipelines.spec.frame import FrameSpec

# A higher number makes every stored week obsolete. It is for changes of the engine that change
# values of the same declaration.
ENGINE = 3


def frame_definition(spec: FrameSpec, engine: str) -> str:
    """Hash of the declaration of a frame's points, features and label, 64 hexadecimal digits.

    Of features with a function it covers the versions of the libraries that compute them.

    Arguments:
        spec: the declaration.
        engine: version of the engine that computes the frame.
    """
    own = [one.files for one in spec.features if isinstance(one, ExpressionFeature) and one.files]
    content: dict[str, Any] = {
        "engine": [ENGINE, engine],
        "streams": {name: spec.streams[name].meaning() for name in reaches(spec)},
        "points": spec.points.meaning(),
        "label": None if spec.label is None else spec.label.meaning(),
        "features": [feature.meaning() for feature in spec.features],
        "serving": None if spec.serving is None else spec.serving.meaning(),
    }
    if own:
        ibis = {"ibis-framework": version("ibis-framework")}
        content["libraries"] = ibis | library_versions(*own)
    return digest_of(content)


def week_key(
    definition: str,
    reach: Mapping[str, Reach],
    monday: datetime,
    sums: Mapping[str, Sequence[WeekSum]],
) -> str:
    """The key of the points of one week whose labels have all matured, 64 hexadecimal digits.

    Rows that no point of the week can reach do not change it.

    Arguments:
        definition: of the frame, from ``frame_definition``.
        reach: of the frame, from ``reaches``.
        monday: start of the week.
        sums: what each stream in ``reach`` holds.
    """
    content = {name: _content(one, monday, sums[name]) for name, one in sorted(reach.items())}
    return digest_of({"frame": definition, "week": instant_text(monday), "content": content})


def _content(reach: Reach, monday: datetime, sums: Sequence[WeekSum]) -> list[list[int]]:
    """Rows and sums of the hashes of the rows that were known at the points, and of later ones."""
    week = monday.date()
    first = monday_before(monday - reach.before).date()
    last = monday_before(monday + WEEK + reach.after - MICROSECOND).date()
    known = [
        one
        for one in sums
        if one.known <= week and (one.happened >= first or (reach.own and one.known == week))
    ]
    later = [one for one in sums if reach.after and week <= one.happened <= last]
    return [_total(known), _total(later)]


def _total(sums: Sequence[WeekSum]) -> list[int]:
    return [
        sum(one.rows for one in sums),
        sum(one.high for one in sums),
        sum(one.low for one in sums),
    ]
