"""Plants known faults in copies of a model's own data, and records which check catches which."""
