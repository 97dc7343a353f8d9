"""Whether loading a version can run code."""

from __future__ import annotations

from pipelines.core.findings import Finding, Verdict, make_finding


def serialization_finding(form: str) -> Finding:
    """Report whether loading the model can run code; not blocking.

    Arguments:
        form: serialization format of the package, ``skops`` or ``cloudpickle``.
    """
    safe = form == "skops"
    return make_finding(
        "availability.serialization",
        Verdict.PASS if safe else Verdict.FAIL,
        "the model is stored with skops: loading it runs no code from the file"
        if safe
        else "skops cannot store this estimator, so it is a pickle: load it only from a registry "
        "you trust",
        blocking=False,
    )
