"""Online stores: Redis, SQLite, memory, and how their rows are encoded."""
