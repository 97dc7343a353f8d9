"""Flows of features: materialization, catalogue, export, freshness."""
