"""Ingestion: converts external CSV and Parquet files to typed, canonical stream partitions."""
