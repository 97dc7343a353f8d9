"""Weeks of a backfill, prepared in other processes while the weeks before them are decided."""
