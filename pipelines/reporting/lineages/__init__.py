"""The comparison of two lineages in the terminal and as a page."""
