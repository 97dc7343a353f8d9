"""The shadow gate: whether the challenger agrees with the champion and answers fast enough."""
