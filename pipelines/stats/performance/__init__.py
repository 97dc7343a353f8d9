"""Formulas of performance that describe a model but decide nothing."""
