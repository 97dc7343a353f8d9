"""A model that answers in memory."""

from tests.support.model_service import desk

__all__ = ["desk"]
