"""Availability and parity: whether production has the features, with the values of training."""
