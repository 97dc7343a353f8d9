"""Flows of serving: what a service follows, and batch scoring."""
