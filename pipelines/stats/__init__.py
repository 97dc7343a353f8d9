"""Formulas: arrays in, frozen records out, no thresholds."""
