"""The declarations in ``models/<name>.yaml``, as frozen records that reject unknown keys."""
