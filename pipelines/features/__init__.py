"""Point-in-time features and labels: each point uses only what was known at its instant."""
