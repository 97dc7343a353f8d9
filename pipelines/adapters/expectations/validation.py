"""Checks expectations with the classes of Great Expectations, before any data is read."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from pipelines.data.cache import Cache
from pipelines.quality.suite import ExpectationValidator, closest

_SOUND = "sound"


def remembering(validate: ExpectationValidator, cache: Cache) -> ExpectationValidator:
    """A validator that skips expectations which this release of Great Expectations accepted before.

    So a command does not import Great Expectations, which takes seconds, for an unchanged suite.

    Arguments:
        validate: validates the others.
        cache: holds a note about each accepted expectation.
    """
    release = version("great_expectations")

    def mistakes(expectation: Mapping[str, Any]) -> list[str]:
        about = {"great_expectations": release, "expectation": dict(expectation)}
        if cache.note("expectations", about) == _SOUND:
            return []
        found = validate(expectation)
        if not found:
            cache.keep_note("expectations", about, _SOUND)
        return found

    return mistakes


def expectation_mistakes(expectation: Mapping[str, Any]) -> list[str]:
    """List the mistakes in an expectation's type and arguments.

    The first call imports Great Expectations, which takes seconds.
    """
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    from great_expectations.exceptions.exceptions import ExpectationNotFoundError
    from great_expectations.expectations.metadata_types import FailureSeverity
    from great_expectations.expectations.registry import (
        get_expectation_impl,
        list_registered_expectation_implementations,
    )

    name = expectation["type"]
    try:
        known = get_expectation_impl(name)
    except ExpectationNotFoundError:
        there = list_registered_expectation_implementations()
        return [f"Great Expectations has no type {name!r}{closest(name, there)}"]
    try:
        known(
            **(expectation.get("kwargs") or {}),
            meta=expectation.get("meta"),
            severity=FailureSeverity(expectation.get("severity") or "critical"),
        )
    except (ValueError, TypeError) as cause:  # pydantic's ValidationError is a ValueError
        return [f"{name}: {'; '.join(str(cause).splitlines()[1:]) or cause}"]
    return []
