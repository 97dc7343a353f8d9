"""Replays the promotion policy over a model's history; nothing is recorded or registered."""
