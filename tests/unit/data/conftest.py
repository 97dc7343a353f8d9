"""The small stream ``sales``."""

from tests.support.sales import sales_model, sales_rows

__all__ = ["sales_model", "sales_rows"]
