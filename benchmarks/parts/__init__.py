"""What the benchmarks share: measuring, worlds, and the ways the other side works."""
