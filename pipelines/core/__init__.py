"""The ground floor: errors, instants and windows of time, records, verdicts. Knows nothing else."""
