"""The model registry: MLflow, or a folder for tests and backtests."""
