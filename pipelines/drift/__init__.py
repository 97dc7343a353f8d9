"""What moved between two populations, and how to describe it."""
