"""The note of a DAG run: as-of, outcome, reason and a link to the version.

A task cannot write the note of its own run. It keeps the text as an XCom; when the run ends, a
listener in the scheduler copies the newest text into the note.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin
from gauntlet_links import reported_version, version_page
from gauntlet_reports import NOTE

from pipelines.core.markup import markdown_text

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from sqlalchemy.orm import Session

LONGEST = 1000  # characters that the column holds
SIGN = "▸ "  # before our text, so that a rerun replaces it and not what a person wrote


class RunNotes:
    """Writes the note of a run when it ends."""

    @hookimpl
    def on_dag_run_success(self, dag_run: DagRun) -> None:
        """Called by the scheduler."""
        _write_note(dag_run)

    @hookimpl
    def on_dag_run_failed(self, dag_run: DagRun) -> None:
        """Called by the scheduler."""
        _write_note(dag_run)


def _write_note(run: DagRun) -> None:
    """Put the newest text before what a person wrote; after a rerun it replaces the older text."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select
    from sqlalchemy.orm import object_session

    session = object_session(run)
    if session is None:  # DAG.test detaches its runs
        with create_session() as session:
            _write_note(session.get_one(type(run), run.id))
        return
    newest = (
        select(XComModel)
        .where(XComModel.dag_id == run.dag_id, XComModel.run_id == run.run_id)
        .where(XComModel.key == NOTE)
        .order_by(XComModel.timestamp.desc())
    )
    kept = session.scalars(newest.limit(1)).first()
    if kept is not None:
        paragraphs = (run.note or "").split("\n\n")
        own = [paragraph for paragraph in paragraphs if not paragraph.startswith(SIGN)]
        link = _version_link(session, run)
        text = f"{SIGN}{markdown_text(XComModel.deserialize_value(kept))}"
        text = text[: LONGEST - len(link)].rstrip() + link
        run.note = "\n\n".join((text, *own))[:LONGEST].rstrip()


def _version_link(session: Session, run: DagRun) -> str:
    """A link to the version that a run reported; "" if there is none."""
    version = reported_version(session, run.dag_id, run.run_id)
    page = version_page(run.dag_id.partition("__")[2], version) if version else ""
    return f" ([version {markdown_text(version)}]({page}))" if page else ""


class GauntletNotes(AirflowPlugin):
    """The plugin; the scheduler calls its listener."""

    name = "gauntlet_notes"
    listeners = [RunNotes()]
