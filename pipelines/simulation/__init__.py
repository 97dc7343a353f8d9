"""A simulated pharmacy world with known truth, which writes streams for demos and tests."""
