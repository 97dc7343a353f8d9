"""Events: stores, streams, imports, and reproducible snapshots."""
