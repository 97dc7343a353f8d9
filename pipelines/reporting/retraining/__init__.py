"""Pages about one retraining: the review page of its version, its report, and its run."""
