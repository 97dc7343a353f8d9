"""Declared names for the columns of a file."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from pipelines.core.names import COLUMN, folded

CONSTANT_KEY = "series"  # the key of a file without an entity
RESERVED = (CONSTANT_KEY, "event_time", "known_time", "decision_time", "label", "matured_at")


def declared_names(in_file: Iterable[str], reserved: Iterable[str] = RESERVED) -> dict[str, str]:
    """A name that a declaration may use for each column of a file; most names stay as they are.

    Arguments:
        in_file: names in the file, in order.
        reserved: names that no column gets.

    >>> declared_names(["shop", "Unit Price (€)", "1st", "Shop"])
    {'shop': 'shop', 'Unit Price (€)': 'unit_price', '1st': 'c_1st', 'Shop': 'shop_2'}
    """
    names: dict[str, str] = {}
    taken = {folded(name) for name in reserved}
    for name in in_file:
        plain = name if _is_allowed(name) else _plain(name)
        declared, number = plain, 2
        while folded(declared) in taken:
            declared = f"{folded(plain)}_{number}"
            number += 1
        taken.add(folded(declared))
        names[name] = declared
    return names


def _is_allowed(name: str) -> bool:
    return bool(re.fullmatch(COLUMN.pattern, name)) and len(name) <= COLUMN.longest


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore")
    text = re.sub(r"[^a-z0-9]+", "_", letters.decode().lower()).strip("_")
    if not text:
        return "column"
    return (text if text[0].isalpha() else f"c_{text}")[: COLUMN.longest - 4]
