"""The gate of updates: what newer points may do to a champion between retrainings."""
