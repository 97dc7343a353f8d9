"""Recent window: does the candidate beat the champion on the newest matured rows?"""
