"""Replays the promotion policy and simpler ones over a model's history, on the same candidates."""
