"""Events: stores, streams, imports, and snapshots that stay the same for ever."""
