"""Release: shadow, canary, promotion and holdback, one step at a time."""
