"""What a user declares in ``models/<name>.yaml``: frozen, unknown keys refused."""
