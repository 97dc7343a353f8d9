"""The gates, one folder each: evidence in, findings out."""
