"""The review page of a version, in Markdown: enough to decide in one minute."""

from __future__ import annotations

from pipelines.reporting.audit_section import audit_section
from pipelines.reporting.refresh_section import refresh_section
from pipelines.reporting.retraining import sections
from pipelines.reporting.retraining.search_section import search_section
from pipelines.reporting.retraining.sections import VersionReview


def version_page(about: VersionReview) -> str:
    """The whole page, in Markdown for MLflow. The report has the details."""
    return joined(
        sections.headline(about),
        sections.links_section(about),
        sections.metrics_section(about),
        sections.gates_section(about),
        sections.commands_section(about),  # before what a long page may lack
        refresh_section(about.findings, about.champion),
        audit_section(about.audit, about.findings),
        search_section(about.searches, about.spec),
        sections.origin_section(about),
        sections.loading_section(about),
        sections.pictures_section(about),
    )


def run_text(about: VersionReview) -> str:
    """The description of a retraining's run, in Markdown; also without a version."""
    return joined(
        sections.headline(about),
        sections.links_section(about),
        sections.metrics_section(about),
        sections.gates_section(about),
        sections.origin_section(about),
    )


def joined(*parts: str) -> str:
    """Sections as one text; empty ones are left out."""
    return "\n\n".join(part for part in parts if part) + "\n"
