"""The ledger in a SQL database."""
