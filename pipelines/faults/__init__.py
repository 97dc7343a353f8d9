"""Known faults of event data, shared by the drill, simulations and tests."""
