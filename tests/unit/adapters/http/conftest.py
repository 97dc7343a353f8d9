"""A model that answers in memory."""

from tests.support.services.model import harness

__all__ = ["harness"]
