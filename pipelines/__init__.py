"""Gauntlet: retrains models on fresh events and promotes nothing that has not beaten the champion.

The floors, from the ground up (imports go down only):

- ``core``: errors, windows of time, records, verdicts.
- ``spec``, ``stats``: what a user declares; formulas.
- ``data``: streams of events and snapshots of them.
- ``features``, ``quality``: point-in-time features; suites.
- ``training``: split, fit, evaluate.
- ``release``: policy, ledger, promotion.
- ``flows``: one function per step, collaborators passed in.
- ``adapters``, ``settings``, ``simulation``: the outside, and a world with known truth.
- ``wiring``, ``cli``: the one place that plugs real parts in; the same flows from a shell.
"""
