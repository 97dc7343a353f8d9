"""The note of a DAG run: as-of, outcome and reason, which Airflow shows in its lists.

A task cannot write the note of its own run. It keeps the text as an XCom; when the run ends, a
listener in the scheduler copies the newest text into the note.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin
from gauntlet_reports import NOTE

from pipelines.core.markup import markdown_text

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

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
        text = f"{SIGN}{markdown_text(XComModel.deserialize_value(kept))}"
        run.note = "\n\n".join((text, *own))[:LONGEST].rstrip()


class GauntletNotes(AirflowPlugin):
    """The plugin; the scheduler calls its listener."""

    name = "gauntlet_notes"
    listeners = [RunNotes()]
