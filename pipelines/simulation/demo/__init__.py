"""The stories that the demonstration tells."""
