"""A model that answers in memory."""

from tests.support.model_service import harness

__all__ = ["harness"]
