"""Ingestion: foreign CSV and Parquet files become typed, canonical partitions of a stream."""
