"""Writes the pages about a retraining into the registry: of its version, and of its run."""
