"""Lineages besides ``live``: comparing, adopting and removing them."""
