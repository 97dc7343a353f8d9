"""Metrics of a champion: measured on matured labels, and estimated before they mature."""
