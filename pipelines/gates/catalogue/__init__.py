"""Every finding that a gate can make: its name, what it means, and what to do about it.

``docs/findings.md`` is generated from this list (``make docs``), and tests check that each finding
which the product makes is in it.
"""
