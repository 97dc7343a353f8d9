"""Two lineages next to each other: what each decided, and why they differ."""
