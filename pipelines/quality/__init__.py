"""Data contracts: hand-written suites, the training envelope, and what fresh data makes of both."""
