"""Numbers of things, in words."""

from __future__ import annotations


def counted(number: float, noun: str, plural: str = "") -> str:
    """A number and its noun, in the singular for one.

    Arguments:
        number: how many; thousands of a whole number are separated.
        noun: in the singular.
        plural: default: the noun with an s.

    >>> counted(1, "row"), counted(0, "row"), counted(1200, "entity", "entities")
    ('1 row', '0 rows', '1,200 entities')
    >>> counted(1.0, "week"), counted(2.5, "week")
    ('1 week', '2.5 weeks')
    """
    text = f"{number:,}" if isinstance(number, int) else f"{number:g}"
    return f"{text} {noun if number == 1 else plural or f'{noun}s'}"
