"""Estimators that an own function returns."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from sklearn.base import BaseEstimator, clone

from pipelines.core.errors import SpecError
from pipelines.own_code.load import errors_of_code, load_function
from pipelines.spec.estimator import Estimator
from pipelines.training.instantiate import Instantiation, check_no_seed

if TYPE_CHECKING:
    from collections.abc import Mapping

SEED = "seed"  # an argument of this name gets the seed
_KEYWORDS = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def own_estimator(declared: Estimator, seed: int, where: str) -> BaseEstimator:
    """Call the declared function, and set the seed of the estimator and of all within it.

    Arguments:
        declared: with a function.
        seed: ``random_state`` of every estimator that has this parameter, and the argument
            ``seed`` of a function that has one.
        where: place in the declaration, for errors.

    Raises:
        SpecError: the function cannot be loaded, lacks a parameter, fails, or returns something
            that is no scikit-learn estimator, or one that cannot be copied.
    """
    function = load_function(declared, where)
    check_no_seed(declared.parameters, f"{where}.parameters")
    arguments = Instantiation(seed).arguments(declared.parameters, where)
    signature = inspect.signature(function)
    if SEED in signature.parameters:
        arguments[SEED] = seed
    _check_arguments(declared, signature, arguments, where)
    with errors_of_code(f"{declared.function} fails", where):
        estimator = function(**arguments)
    if not (isinstance(estimator, BaseEstimator) and hasattr(estimator, "fit")):
        raise SpecError(
            f"{declared.function} returns no estimator",
            where=where,
            got=type(estimator).__name__,
            wanted="a scikit-learn compatible estimator: a subclass of BaseEstimator with fit, or "
            "a Pipeline",
        )
    _check_clone(declared, estimator, where)
    seeds = {name: seed for name in estimator.get_params() if _is_seed(name)}
    estimator.set_params(**seeds)
    return estimator


def _is_seed(name: str) -> bool:
    return name.rpartition("__")[2] == "random_state"


def _check_arguments(
    declared: Estimator, signature: inspect.Signature, arguments: Mapping[str, Any], where: str
) -> None:
    try:
        signature.bind(**arguments)
    except TypeError as cause:
        names = [
            name
            for name, one in signature.parameters.items()
            if one.kind in _KEYWORDS and name != SEED
        ]
        raise SpecError(
            f"{declared.function} does not take these parameters",
            where=f"{where}.parameters",
            got=f"{sorted(declared.parameters)}: {cause}",
            wanted=f"{names}",
        ) from cause


def _check_clone(declared: Estimator, estimator: BaseEstimator, where: str) -> None:
    """Refuse an estimator that scikit-learn cannot copy: its constructor does more than store."""
    with errors_of_code(
        f"{declared.function} returns an estimator that scikit-learn cannot copy",
        where,
        wanted="a constructor that stores its arguments under their names and does no more",
    ):
        clone(estimator)
