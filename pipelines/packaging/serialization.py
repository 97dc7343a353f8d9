"""In which form a fitted pipeline is stored: skops, which runs no code when read, or a pickle."""

from __future__ import annotations

import pickle
import pickletools
import sys
from collections.abc import Sequence, Set
from dataclasses import dataclass
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipelines.core.errors import SpecError
from pipelines.own_code.libraries import distributions_of, libraries_of
from pipelines.own_code.load import folder_of, is_own, read_package
from pipelines.spec.estimator import ALLOWED_ESTIMATORS

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
        code: folders of own code that it needs.
    """

    name: Literal["skops", "cloudpickle"]
    trusted: list[str] | None
    requirements: tuple[str, ...]
    code: tuple[Path, ...] = ()


def storage_form(pipeline: Pipeline) -> StorageForm:
    """The form in which a fitted pipeline is stored.

    Beside the allowed libraries, a model with own code may hold types of the standard library and
    of the packages that this code imports: they are among the requirements.

    Raises:
        SpecError: for a type outside these libraries, or without a name.
    """
    trusted, types = _stored_types(pipeline)
    name: Literal["skops", "cloudpickle"] = "cloudpickle" if trusted is None else "skops"
    packages = sorted({one.partition(".")[0] for one in types if is_own(one)})
    code = tuple(map(folder_of, packages))
    imported = {one for folder in code for one in libraries_of(read_package(folder))}
    _refuse_foreign(types, imported | (sys.stdlib_module_names if code else set()))
    _refuse_nameless(trusted or [])
    return StorageForm(name, trusted, requirements_of(pipeline, name, code), code)


def _stored_types(pipeline: Pipeline) -> tuple[list[str] | None, list[str]]:
    """Types that a reader has to trust, or None where skops cannot store the model; and all names
    of types or modules that loading it imports.

    Raises:
        SpecError: a pickle cannot name a type.
    """
    from skops import io as skops_io
    from skops.io.exceptions import UnsupportedTypeException

    try:
        types = sorted(skops_io.get_untrusted_types(data=skops_io.dumps(pipeline)))
    except (UnsupportedTypeException, RecursionError, AttributeError, TypeError, ValueError):
        return None, _pickled_modules(pipeline)
    return types, types


def _refuse_foreign(names: list[str], imported: Set[str]) -> None:
    """Refuse types of libraries that are neither allowed nor imported by the model's own code."""
    allowed = (*_STORABLE, "builtins.", *(f"{library}." for library in imported))
    foreign = [name for name in names if not (name.startswith(allowed) or is_own(name))]
    if foreign:
        raise SpecError(
            "the fitted model holds types that load only where other code is installed",
            where="estimator",
            got=f"{foreign}",
            wanted=f"types of {', '.join(prefix.rstrip('.') for prefix in _STORABLE)}",
            hint="use an estimator of one of these libraries, or put a class that extends the type "
            "into models/code/",
        )


def _refuse_nameless(types: list[str]) -> None:
    """Refuse own code that a reader would not find by its name; skops stores it nevertheless."""
    for one in filter(is_own, types):
        module, _, name = one.rpartition(".")
        if not hasattr(sys.modules.get(module), name):
            raise _without_name(one.partition(".")[2])


def _without_name(got: str) -> SpecError:
    return SpecError(
        "the fitted model cannot be stored",
        where="estimator",
        got=got,
        wanted="classes and functions that are defined at the top level of a module",
        hint="replace lambdas and functions within functions by functions of the module",
    )


def _pickled_modules(pipeline: Pipeline) -> list[str]:
    """Modules that a pickle of the model imports when it is loaded, each with a dot at its end."""
    try:
        content = pickle.dumps(pipeline, protocol=2)  # names each import in a GLOBAL, a plain text
    except (pickle.PicklingError, AttributeError, TypeError) as cause:
        raise _without_name(str(cause)) from cause
    imports = {
        str(argument).split(" ")[0]
        for code, argument, _ in pickletools.genops(content)
        if code.name == "GLOBAL"
    }
    return sorted(f"{name}." for name in imports - {"copy_reg", "__builtin__", "_codecs"})


def requirements_of(pipeline: Pipeline, form: str, code: Sequence[Path] = ()) -> tuple[str, ...]:
    """What has to be installed to load it, each pinned to the version that is here.

    Arguments:
        pipeline: fitted.
        form: name of the storage form.
        code: folders of own code that it needs.
    """
    needed = {*_NEEDED, form} | _distributions(_libraries(pipeline) - {"sklearn"})
    for folder in code:
        needed |= distributions_of(read_package(folder))
    return tuple(f"{name}=={version(name)}" for name in sorted(needed))


def _libraries(pipeline: Pipeline) -> set[str]:
    """The libraries of the estimator and of all estimators nested in it."""
    from sklearn.base import BaseEstimator

    parts = (pipeline[-1], *pipeline[-1].get_params().values())
    modules = {type(part).__module__ for part in parts if isinstance(part, BaseEstimator)}
    return {module.partition(".")[0] for module in modules if not is_own(module)}


def _distributions(libraries: set[str]) -> set[str]:
    """The installed distributions that provide libraries; xgboost has two."""
    if not libraries:
        return set()
    providers = packages_distributions()
    return {name for library in libraries for name in providers[library]}
