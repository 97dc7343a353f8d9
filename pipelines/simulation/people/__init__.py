"""Simulated users of predictions: pharmacies that ask, and shelves that they fill."""
