"""Engines: DuckDB in this process, or a Spark cluster, with the same rows and the same hashes."""
