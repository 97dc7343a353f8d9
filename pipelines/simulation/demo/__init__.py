"""The scenarios of the demonstration."""
