"""The small stream ``sales``."""

from tests.support.imports import imports
from tests.support.sales import sales_model, sales_rows

__all__ = ["imports", "sales_model", "sales_rows"]
