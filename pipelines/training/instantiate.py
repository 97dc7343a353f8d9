"""Create objects of allowed libraries from import paths and parameters, nested to any depth."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from sklearn.base import BaseEstimator

from pipelines.core.errors import SpecError
from pipelines.spec.estimator import ALLOWED_ESTIMATORS, SEEDS

EXTRAS = ("lightgbm", "xgboost")  # optional dependencies of this project
_OBJECT_KEYS = {"path", "parameters"}


@dataclass(frozen=True)
class Instantiation:
    """Creates the objects of one declaration.

    A parameter is an object of its own when it is

    - a mapping ``{path: <import path>, parameters: {...}}``, or
    - a text that starts with the name of an allowed library, such as
      ``sklearn.linear_model.Ridge``: that class with its default parameters.

    Lists and other mappings are searched for such objects. So a ``Pipeline``, a calibrated
    classifier, a search or a stack is declared as it is constructed in Python.

    Arguments:
        seed: ``random_state`` of every estimator that has this parameter, and of every splitter
            that draws rows and has none declared.
    """

    seed: int

    def create(self, path: str, parameters: Mapping[str, Any], where: str) -> Any:
        """Create one object.

        Arguments:
            path: import path of its class.
            parameters: arguments of the class by name, as read from YAML.
            where: place in the declaration, for errors.

        Raises:
            SpecError: when the class does not exist or is not allowed, or a parameter is wrong.
        """
        created = load_class(path, where)
        _check_names(created, parameters, f"{where}.parameters")
        arguments = self.arguments(parameters, where)
        if _takes_seed(created, arguments):
            arguments["random_state"] = self.seed
        try:
            return created(**arguments)
        except (TypeError, ValueError) as cause:
            raise SpecError(
                "an estimator cannot be created from its parameters",
                where=where,
                got=f"{created.__name__}: {cause}",
                wanted="the parameters of this class; a nested estimator is written as "
                "{path: <import path>, parameters: {...}}",
            ) from cause

    def arguments(self, parameters: Mapping[str, Any], where: str) -> dict[str, Any]:
        """Parameters with their objects created, as in ``create``."""
        return {
            name: self._resolve(value, f"{where}.parameters.{name}")
            for name, value in parameters.items()
        }

    def _resolve(self, value: Any, where: str) -> Any:
        if isinstance(value, str) and value.startswith(ALLOWED_ESTIMATORS):
            return self.create(value, {}, where)
        if isinstance(value, Mapping):
            if "path" in value and value.keys() <= _OBJECT_KEYS:
                return self.create(str(value["path"]), value.get("parameters") or {}, where)
            return {name: self._resolve(part, f"{where}.{name}") for name, part in value.items()}
        if isinstance(value, list | tuple):
            return [self._resolve(part, f"{where}[{at}]") for at, part in enumerate(value)]
        return value


def load_class(path: str, where: str) -> type[Any]:
    """Import a class of an allowed library.

    Raises:
        SpecError: when it does not exist, or its library is not installed or not allowed.
    """
    if not path.startswith(ALLOWED_ESTIMATORS):
        raise _wrong_class(path, "of another library", where)
    library = path.partition(".")[0]
    module_name, _, class_name = path.rpartition(".")
    try:
        found: Any = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError, ValueError) as cause:
        missing = isinstance(cause, ModuleNotFoundError) and cause.name == library
        raise SpecError(
            f"{library} is not installed" if missing else "there is no such estimator",
            where=where,
            got=f"{path} ({cause})",
            wanted="a class such as sklearn.ensemble.HistGradientBoostingRegressor",
            hint=_install_hint(library) if missing else "correct the path",
        ) from cause
    if not (inspect.isclass(found) and found.__module__.startswith(ALLOWED_ESTIMATORS)):
        raise _wrong_class(path, f"a {type(found).__name__}", where)
    loaded: type[Any] = found
    return loaded


def _wrong_class(path: str, kind: str, where: str) -> SpecError:
    return SpecError(
        "a path does not name a class of an allowed library",
        where=where,
        got=f"{path} is {kind}",
        wanted=f"a class of one of {ALLOWED_ESTIMATORS}",
    )


def parameter_names(created: type[Any]) -> set[str]:
    """The names of a class's parameters.

    If the constructor passes further arguments on to its base class, those are included; for
    LightGBM also the parameters and aliases of its core.
    """
    names: set[str] = set()
    constructors = [vars(base)["__init__"] for base in created.__mro__ if "__init__" in vars(base)]
    for constructor in constructors:
        parameters = inspect.signature(constructor).parameters.values()
        names |= {one.name for one in parameters if one.kind not in _VARIABLE}
        if all(one.kind is not inspect.Parameter.VAR_KEYWORD for one in parameters):
            break
    if created.__module__.startswith("lightgbm."):
        names |= _lightgbm_parameters()
    return names - {"self"}


def _takes_seed(created: type[Any], arguments: Mapping[str, Any]) -> bool:
    """Whether an object gets the seed; ``KFold`` and its kind refuse it unless they shuffle."""
    names = parameter_names(created)
    if "random_state" not in names:
        return False
    if issubclass(created, BaseEstimator):
        return True
    draws = bool(arguments.get("shuffle", "shuffle" not in names))
    return draws and arguments.get("random_state") is None


_VARIABLE = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)


def _lightgbm_parameters() -> set[str]:
    """LightGBM only logs a warning for an unknown parameter, so its own table is used here."""
    from lightgbm.basic import _ConfigAliases  # there is no public access to the table

    table = _ConfigAliases._get_all_param_aliases()
    return {alias for aliases in table.values() for alias in aliases}


def _check_names(created: type[Any], parameters: Mapping[str, Any], where: str) -> None:
    if issubclass(created, BaseEstimator):
        check_no_seed(parameters, where)
    known = parameter_names(created)
    unknown = sorted(set(parameters) - known)
    if unknown:
        near = get_close_matches(unknown[0], known - SEEDS, n=1)
        raise SpecError(
            f"{created.__name__} has no parameter {', '.join(unknown)}",
            where=where,
            got=f"{unknown}",
            wanted=f"some of {sorted(known - SEEDS)}",
            hint=f"did you mean {near[0]}?" if near else "",
        )


def check_no_seed(parameters: Mapping[str, Any], where: str) -> None:
    """Refuse a seed among the parameters of an estimator.

    Raises:
        SpecError: when there is one.
    """
    seeds = sorted(parameters.keys() & SEEDS)
    if seeds:
        raise SpecError(
            "the seed is not a parameter",
            where=where,
            got=f"{seeds[0]}: {parameters[seeds[0]]}",
            wanted="seeds: [...] of the model; the first gives the candidate",
        )


def _install_hint(library: str) -> str:
    if library in EXTRAS:
        return f"install it with `pip install 'gauntlet[{library}]'`, or correct the path"
    return f"install {library}, or correct the path"
