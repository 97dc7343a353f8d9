"""Availability and parity: does production have the features, with the values that training saw?"""
