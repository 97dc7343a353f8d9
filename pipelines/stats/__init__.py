"""Statistical formulas: functions from arrays to frozen records, without thresholds."""
