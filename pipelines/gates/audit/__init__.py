"""Audit: how much of a gain comes from the model, and how much from other rows?"""
