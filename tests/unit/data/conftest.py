"""The small stream ``sales``."""

from tests.sales import sales_model, sales_rows

__all__ = ["sales_model", "sales_rows"]
