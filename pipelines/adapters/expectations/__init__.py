"""Great Expectations as a suite runner."""
