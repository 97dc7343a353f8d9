"""Faults of what serves: lost or wrong values, answers in the wrong arm, a changed file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.core.arrays import Mask

if TYPE_CHECKING:
    import pandas as pd

_PLACES = 1 << 32


def wrong_arms(arms: Sequence[str], wrong: Mask) -> list[str]:
    """Arms of requests, of which some were answered in the other arm.

    Arguments:
        arms: of two names at most.
        wrong: shape (requests,).
    """
    names = sorted(set(arms))
    other = {name: names[1 - place] for place, name in enumerate(names[:2])} if names[1:] else {}
    return [
        other.get(arm, arm) if bad else arm for arm, bad in zip(arms, wrong.tolist(), strict=True)
    ]


def multiply_served(rows: pd.DataFrame, feature: str, wrong: Mask) -> pd.DataFrame:
    """Decision points, some of which were served ten times the value of a feature.

    Arguments:
        rows: decision points with their features.
        feature: a number.
        wrong: shape (rows,).
    """
    return rows.assign(**{feature: rows[feature].where(~wrong, 10 * rows[feature])})


def change_model_file(folder: Path) -> Path:
    """Change one byte in the largest file of a version's directory; returns the file's path.

    Files in folders below it, such as the version's evidence, are left as they are.
    """
    files = (path for path in folder.iterdir() if path.is_file())
    largest = max(files, key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)
    return largest


def is_lost(key: Iterable[Any], share: float) -> bool:
    """Whether a store has lost the values of an entity: the same answer for each reading.

    A larger share loses the entities of a smaller one, and more.
    """
    digest = hashlib.sha256(repr(tuple(key)).encode()).digest()
    return int.from_bytes(digest[:4]) < share * _PLACES
