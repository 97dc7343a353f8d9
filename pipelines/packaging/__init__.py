"""The version folder: how a fitted model is stored, read back and made fast."""
