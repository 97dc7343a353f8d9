"""Names of the findings of updates, for rooms that must not load the statistics behind them."""

NOT_WORSE = "update.not_worse"
ANSWERS = "update.answers"
LABELS = "update.labels"
ERROR = "update.error"
