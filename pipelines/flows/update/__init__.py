"""Updates of a champion between retrainings."""
