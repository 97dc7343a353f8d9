"""Windows of events that a person marked as broken."""
