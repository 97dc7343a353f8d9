"""Flow of ``gauntlet monitor``: read as of an instant, compute, write the report."""
