"""Monitoring of a champion: what changed, what it costs, and what to do about it."""
