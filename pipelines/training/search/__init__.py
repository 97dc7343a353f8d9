"""Hyperparameter search within the rows that a model is fitted on."""
