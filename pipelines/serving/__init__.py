"""What answers requests, and the log of what was answered."""
