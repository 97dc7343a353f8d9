"""A pharmacy world with known truth: writes the streams that demos and tests read."""
