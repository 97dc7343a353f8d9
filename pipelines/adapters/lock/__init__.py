"""Locks: a file, or a PostgreSQL advisory lock."""
