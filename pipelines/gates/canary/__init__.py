"""The canary gate: whether the challenger is better than the champion on randomised traffic."""
