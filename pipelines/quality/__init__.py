"""Data contracts: hand-written suites, the training envelope, and their checks of fresh data."""
