"""How many rows of the training spans were fitted on, where the declaration limits them."""

from __future__ import annotations

from pipelines.core.findings import Finding, Measurement, Verdict, make_finding

TRAINING_SAMPLE = "recent_window.training_sample"


def training_sample_finding(fits: dict[str, tuple[int, int]]) -> Finding | None:
    """Report the rows before and after the limit; not blocking.

    Arguments:
        fits: by what was fitted, the judged one first: how many labelled rows were fitted on, and
            how many its training span has.

    Returns:
        ``None`` if all rows were fitted on.
    """
    limited = {name: rows for name, rows in fits.items() if rows[0] < rows[1]}
    if not limited:
        return None
    words = [f"the {name} on {some:,} of {every:,}" for name, (some, every) in limited.items()]
    some, every = next(iter(limited.values()))
    return make_finding(
        TRAINING_SAMPLE,
        Verdict.PASS,
        f"fitted on a sample of the labelled training rows, as split.max_rows says: "
        f"{' and '.join(words)}",
        Measurement(value=some / every, unit="share of the labelled training rows", rows=some),
        blocking=False,
    )
