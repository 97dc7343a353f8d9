"""Retraining, with one module for each step."""
