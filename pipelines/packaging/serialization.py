"""In which form a fitted pipeline is stored: skops, which runs no code when read, or a pickle."""

from __future__ import annotations

import pickle
import pickletools
from dataclasses import dataclass
from importlib.metadata import packages_distributions, version
from typing import TYPE_CHECKING, Literal

from pipelines.core.errors import SpecError
from pipelines.spec.training import ALLOWED_ESTIMATORS

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

# A partial is stored with the function it calls, whose own name has to be allowed as well.
_STORABLE = (
    *ALLOWED_ESTIMATORS,
    "numpy.",
    "scipy.",
    "pandas.",
    "collections.",
    "functools.partial",
)
_NEEDED = ("mlflow", "numpy", "pandas", "scikit-learn", "scipy")


@dataclass(frozen=True)
class StorageForm:
    """How a fitted pipeline is stored.

    Arguments:
        name: ``skops``, or ``cloudpickle`` where skops cannot store the model.
        trusted: types that a reader of the skops file has to trust; ``None`` for a pickle.
        requirements: what has to be installed to load it, pinned to the versions here.
    """

    name: Literal["skops", "cloudpickle"]
    trusted: list[str] | None
    requirements: tuple[str, ...]


def storage_form(pipeline: Pipeline) -> StorageForm:
    """The form in which a fitted pipeline is stored.

    Raises:
        SpecError: for a type outside the allowed libraries.
    """
    trusted = storable_types(pipeline)
    name: Literal["skops", "cloudpickle"] = "cloudpickle" if trusted is None else "skops"
    return StorageForm(name, trusted, requirements_of(pipeline, name))


def storable_types(pipeline: Pipeline) -> list[str] | None:
    """Types that a reader has to trust, or None where skops cannot store the model.

    Raises:
        SpecError: for a type outside the allowed libraries.
    """
    from skops import io as skops_io
    from skops.io.exceptions import UnsupportedTypeException

    try:
        types = sorted(skops_io.get_untrusted_types(data=skops_io.dumps(pipeline)))
    except (UnsupportedTypeException, RecursionError, AttributeError, TypeError, ValueError):
        _refuse_foreign(_pickled_modules(pipeline))
        return None
    _refuse_foreign(types)
    return types


def _refuse_foreign(names: list[str]) -> None:
    foreign = [name for name in names if not name.startswith((*_STORABLE, "builtins."))]
    if foreign:
        raise SpecError(
            "the fitted model holds types that load only where other code is installed",
            where="estimator",
            got=f"{foreign}",
            wanted=f"types of {', '.join(prefix.rstrip('.') for prefix in _STORABLE)}",
            hint="use an estimator of one of these libraries",
        )


def _pickled_modules(pipeline: Pipeline) -> list[str]:
    """Modules that a pickle of the model imports when it is loaded, each with a dot at its end."""
    content = pickle.dumps(pipeline, protocol=2)  # names each import in a GLOBAL, a plain text
    imports = {
        str(argument).split(" ")[0]
        for code, argument, _ in pickletools.genops(content)
        if code.name == "GLOBAL"
    }
    return sorted(f"{name}." for name in imports - {"copy_reg", "__builtin__", "_codecs"})


def requirements_of(pipeline: Pipeline, form: str) -> tuple[str, ...]:
    """What has to be installed to load it, each pinned to the version that is here."""
    needed = {*_NEEDED, form} | _distributions(_libraries(pipeline) - {"sklearn"})
    return tuple(f"{name}=={version(name)}" for name in sorted(needed))


def _libraries(pipeline: Pipeline) -> set[str]:
    """The libraries of the estimator and of all estimators nested in it."""
    from sklearn.base import BaseEstimator

    parts = (pipeline[-1], *pipeline[-1].get_params().values())
    modules = {type(part).__module__ for part in parts if isinstance(part, BaseEstimator)}
    return {module.partition(".")[0] for module in modules}


def _distributions(libraries: set[str]) -> set[str]:
    """The installed distributions that provide libraries; xgboost has two."""
    if not libraries:
        return set()
    providers = packages_distributions()
    return {name for library in libraries for name in providers[library]}
