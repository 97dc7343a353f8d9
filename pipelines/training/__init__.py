"""Fits a model on a frame of features and prepares its evaluation on the recent window."""
