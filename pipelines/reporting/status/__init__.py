"""The status of models: its records, as text and as a page."""
