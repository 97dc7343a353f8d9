"""Outcomes: the prediction log joined with what happened."""
