"""The id of a version, and where the registry has it.

A version of the lineage ``live`` is called by its number in the registered model of its model.
Versions of all other lineages are in a second registered model, ``<model>.backfill``, and number 3
of it is called ``backfill-3``. So numbers of ``live`` have no holes, and an id names one version.
Releases up to 0.1.0 put all versions into the first registered model; their ids stay as they are.

No declared model is called ``<model>.backfill``, because its name would have a dot.
"""

from __future__ import annotations

from typing import NamedTuple

_SUFFIX, _PREFIX = ".backfill", "backfill-"


class RegisteredVersion(NamedTuple):
    """A version in the registry.

    Arguments:
        model: the registered model that has it.
        number: its number there.
    """

    model: str
    number: str


def registered_models(model: str) -> tuple[str, str]:
    """The registered models of a model: for the lineage ``live``, and for all others.

    >>> registered_models("demand")
    ('demand', 'demand.backfill')
    """
    return model, model + _SUFFIX


def registered_version(model: str, version: str) -> RegisteredVersion:
    """Where the registry has a version.

    >>> registered_version("demand", "backfill-3")
    RegisteredVersion(model='demand.backfill', number='3')
    """
    live, backfill = registered_models(model)
    if version.startswith(_PREFIX):
        return RegisteredVersion(backfill, version.removeprefix(_PREFIX))
    return RegisteredVersion(live, version)


def version_id(found: RegisteredVersion) -> tuple[str, str]:
    """The model and the id of a version in the registry.

    >>> version_id(RegisteredVersion("demand.backfill", "3"))
    ('demand', 'backfill-3')
    """
    model, number = found
    if model.endswith(_SUFFIX):
        return model.removesuffix(_SUFFIX), _PREFIX + number
    return model, number
