"""Refresh: whether the champion's recipe on newer data is worth a promotion."""
