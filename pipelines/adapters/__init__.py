"""Real implementations of the ports: object stores, databases, MLflow, Great Expectations."""
