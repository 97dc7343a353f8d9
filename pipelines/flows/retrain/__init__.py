"""Retraining, one module a step."""
