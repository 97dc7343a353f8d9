"""Canary: does the challenger win on randomised live traffic?"""
