"""Simulated users of predictions: pharmacies that request forecasts, and their stock."""
