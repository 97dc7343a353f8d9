"""Evidence that is looked at more than once: planned looks, bounds valid at any time, bets."""
