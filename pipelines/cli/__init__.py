"""The shell: the same flows as the DAGs, for people and for scripts (``--json``)."""

from pipelines.cli.app import main

__all__ = ["main"]
