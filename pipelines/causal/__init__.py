"""Effects of a version on entities: on average, by group, and whether they differ at all."""
