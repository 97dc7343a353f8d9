"""Measures the effects of a version on live traffic."""
