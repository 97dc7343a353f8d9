"""Contract: does fresh data look as it must?"""
