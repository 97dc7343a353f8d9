"""Shows a comparison of two lineages in MLflow, next to the versions of backfills."""

from __future__ import annotations

from pipelines.core.records import canonical_json, digest_of
from pipelines.core.run_page import RunPage, RunPages
from pipelines.release.lineage_comparison.comparison import LineageComparison
from pipelines.release.registry import Registry
from pipelines.release.version_facts import LINEAGE
from pipelines.reporting.lineages.comparison_page import comparison_page
from pipelines.reporting.lineages.comparison_text import sentences

KEY = "gauntlet.comparison"


def publish_comparison(comparison: LineageComparison, pages: RunPages, registry: Registry) -> str:
    """Publish the page of a comparison, and link it from the registered model of backfills.

    Safe to repeat: the same comparison is published once.

    Returns:
        Its address for a browser; "" if MLflow has none.

    Raises:
        Unavailable: MLflow does not answer; running again is safe.
    """
    title = f"{comparison.first} and {comparison.second}"
    body = comparison.as_json()
    address = pages.publish(
        RunPage(
            model=comparison.model,
            lineage=comparison.second,
            key=(KEY, title),
            content=digest_of(body),
            title=f"comparison of {title}",
            text="\n\n".join((*sentences(comparison), "The page is `comparison.html`.")),
            tags={LINEAGE: comparison.second},
            metrics={},
            files={
                "comparison.html": comparison_page(comparison).encode(),
                "comparison.json": f"{canonical_json(body)}\n".encode(),
            },
        )
    )
    if address:
        registry.link_backfills(comparison.model, title, address)
    return address
