"""Suites compiled to one aggregate query."""
