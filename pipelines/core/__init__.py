"""Base types: errors, instants and windows of time, records, verdicts. Imports no other room."""
