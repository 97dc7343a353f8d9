"""Pages for people who use predictions."""
