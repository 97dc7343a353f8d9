"""Great Expectations, imported when a suite is first run, because the import takes seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis

    from pipelines.quality.suite import ExpectationResult, Suite


class GreatExpectationsOnFirstUse:
    """A suite runner that loads Great Expectations when it is first used."""

    def run(self, table: ibis.Table, suite: Suite) -> tuple[ExpectationResult, ...]:
        """See ``SuiteRunner.run``."""
        from pipelines.adapters.expectations.great_expectations import GreatExpectationsRunner

        return GreatExpectationsRunner().run(table, suite)
