"""Suites compiled to a single aggregate query."""
