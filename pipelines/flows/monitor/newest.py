"""The newest monitoring report of a model."""

from __future__ import annotations

from pathlib import Path

from pipelines.monitoring.report import REPORT_FORMAT, MonitorReport


def newest_report(folder: Path, model: str) -> MonitorReport | None:
    """The report with the newest as-of; ``None`` if the model was never monitored.

    Arguments:
        folder: where ``monitor`` writes its reports.
        model: the model's name.

    Raises:
        FormatError: a newer release wrote it.
    """
    path = max((folder / model).glob("*.json"), default=None)  # named by as-of
    return None if path is None else REPORT_FORMAT.from_text(path.read_bytes(), str(path))
