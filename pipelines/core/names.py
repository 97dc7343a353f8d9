"""Names: what models, streams, columns, views and lineages may be called.

Every name in a declaration or on the command line is checked here, because it is used in file
names, SQL, URLs, MLflow and terminals. It has letters, digits and underscores only. So it cannot
contain a path separator, a dot, a control character, or markup, and it fits every limit: 255 bytes
for a file name, 255 characters for a feature view in Feast. PostgreSQL's 63 bytes are checked where
a name is read from PostgreSQL.

DuckDB compares names without case. ``folded`` gives the form that it compares, and two names of one
table must differ in it.

Internal columns and tables have a colon in front (``internal``), which no declared name contains.
"""

from __future__ import annotations

import difflib
import re
import string
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, WithJsonSchema

from pipelines.core.errors import SpecError

POSTGRES_LONGEST = 63  # bytes; PostgreSQL cuts longer names off
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


@dataclass(frozen=True)
class NameRule:
    """What one kind of name may be.

    Arguments:
        wanted: the characters in words, for errors.
        pattern: regular expression that a whole name matches.
        longest: largest number of characters.
    """

    wanted: str
    pattern: str
    longest: int

    def check(self, text: str) -> str:
        """The name itself.

        Raises:
            ValueError: when it breaks the rule; the message says what a name may be.
        """
        if len(text) > self.longest:
            raise ValueError(
                f"a name has at most {self.longest} characters, and this one has {len(text)}"
            )
        if not re.fullmatch(self.pattern, text):
            raise ValueError(f"a name consists of {self.wanted}")
        return text

    @property
    def schema(self) -> dict[str, Any]:
        """The rule as JSON Schema."""
        return {"type": "string", "pattern": f"^{self.pattern}$", "maxLength": self.longest}


# Models, streams, features, live metrics and measures.
NAME = NameRule("lower-case letters, digits and _, and begins with a letter", "[a-z][a-z0-9_]*", 60)
VIEW = NameRule(NAME.wanted, NAME.pattern, 255)
COLUMN = NameRule(
    "letters without accents, digits and _, and begins with a letter or _",
    "[A-Za-z_][A-Za-z0-9_]*",
    120,
)
LINEAGE = NameRule(
    "lower-case letters, digits, _ and -, and begins with a letter", "[a-z][a-z0-9_-]*", 120
)

Name = Annotated[str, AfterValidator(NAME.check), WithJsonSchema(NAME.schema)]
ViewName = Annotated[str, AfterValidator(VIEW.check), WithJsonSchema(VIEW.schema)]
Column = Annotated[str, AfterValidator(COLUMN.check), WithJsonSchema(COLUMN.schema)]
Lineage = Annotated[str, AfterValidator(LINEAGE.check), WithJsonSchema(LINEAGE.schema)]


def checked_name(text: str, rule: NameRule, where: str) -> str:
    """A name from the command line or the environment.

    Arguments:
        text: the name.
        rule: what it may be.
        where: argument or variable, for the error.

    Raises:
        SpecError: when it breaks the rule.
    """
    try:
        return rule.check(text)
    except ValueError as cause:
        shown = text if len(text) <= 80 else f"{text[:80]}..."
        raise SpecError(
            "a name cannot be used", where=where, got=repr(shown), wanted=str(cause)
        ) from cause


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The most similar name whatever its case; ``None`` when none is similar.

    >>> nearest("Demnad", ["demand", "orders"]), nearest("x", ["demand"])
    ('demand', None)
    """
    by_lower = {one.lower(): one for one in names}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    return by_lower[found[0]] if found else None


def unknown_name(
    what: str, name: str, known: Iterable[str], *, where: str = "", hint: str = ""
) -> SpecError:
    """The error for a name that does not exist; the hint begins with the most similar one.

    Arguments:
        what: the failure in one clause.
        name: the name that was given.
        known: the names that exist.
        where: what the names belong to.
        hint: the next thing to try when no name is similar.
    """
    names = sorted(known)
    similar = nearest(name, names)
    return SpecError(
        what,
        where=where,
        got=name,
        wanted=f"one of {names}" if names else "",
        hint=f"is it {similar!r}?" if similar else hint,
    )


def folded(name: str) -> str:
    """The form of a name that DuckDB compares: ASCII letters in lower case.

    >>> folded("Units") == folded("units"), folded("É") == folded("é")
    (True, False)
    """
    return name.translate(_LOWER)


def clashes(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each name that is the same as an earlier one to DuckDB, after that earlier one.

    >>> list(clashes(["shop", "units", "Units"]))
    [('units', 'Units')]
    """
    first: dict[str, str] = {}
    for name in names:
        if folded(name) in first:
            yield first[folded(name)], name
        first.setdefault(folded(name), name)


def internal(name: str) -> str:
    """The name of an internal column or table; no declared name is equal to it.

    >>> internal("day")
    ':day'
    """
    return f":{name}"


def unused(wanted: str, taken: Collection[str], longest: int = NAME.longest) -> str:
    """A name like ``wanted`` that is valid and none of ``taken``, whatever the case.

    >>> unused("champion_sold", ["Champion_sold"])
    'champion_sold_2'
    """
    used = {folded(name) for name in taken}
    number, name = 1, wanted[:longest]
    while folded(name) in used:
        number += 1
        suffix = f"_{number}"
        name = wanted[: longest - len(suffix)] + suffix
    return name
