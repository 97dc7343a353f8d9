"""Flows of serving: the plans that a service follows, and batch scoring."""
