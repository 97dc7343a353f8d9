"""Effects for people: in the terminal, as plots, and as a page."""
