"""A declaration's YAML: read as nodes, with shared features and the source of own functions."""
