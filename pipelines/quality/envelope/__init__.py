"""The envelope: a suite generated from the training window."""
