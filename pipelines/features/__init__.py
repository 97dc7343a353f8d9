"""Point-in-time features and labels: every decision point sees what was known at its instant."""
