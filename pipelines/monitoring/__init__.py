"""Monitoring of a champion: what moved, what it costs, and what to do about it."""
