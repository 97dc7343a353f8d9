"""The aggregate engine: point-in-time windows as Ibis expressions."""
