"""The prediction log: its records, the assignment of arms, the journal and its shipping."""
