"""Updates of a fitted model on newer rows."""
