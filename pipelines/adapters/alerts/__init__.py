"""Channels for alerts: a webhook, and a file."""
