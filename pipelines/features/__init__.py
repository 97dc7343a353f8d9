"""Point-in-time features and labels: every decision point sees what was known at its instant."""

from pipelines.features.frame import build_frame
from pipelines.features.leak import probe_leaks

__all__ = ["build_frame", "probe_leaks"]
