"""A limit of the training rows that was large enough when it was declared, and no longer is."""

from __future__ import annotations

from pathlib import Path

from pipelines.core.findings import Verdict
from tests.support.sales_home import AS_OF, SalesHome, connections_to, declaration, rows

SAMPLE = "recent_window.training_sample"


def test_a_limit_that_the_span_has_outgrown_is_named(tmp_path: Path) -> None:
    """The model is fitted on part of its rows, and no other finding says so.

    The limit of 400 was enough for 12 shops, which have 336 labelled rows; now there are 24.
    """
    shared, verdicts = connections_to(rows(shops=24), tmp_path, AS_OF), list[dict[str, Verdict]]()
    for most in (None, 400):
        home = SalesHome(tmp_path / str(most), shared)
        home.folder.mkdir()
        home.declare(split=declaration()["split"] | {"max_rows": most})
        findings = home.retrain().findings
        verdicts.append({one.name: one.verdict for one in findings})
    assert verdicts[1] == verdicts[0] | {SAMPLE: Verdict.PASS}
    [reason] = [one.reason for one in findings if one.name == SAMPLE]
    assert "the twin on 400 of 672 and the refit on 400 of 672" in reason
