"""The state of a rollout, its transitions and its outcome."""
