"""Pages and plots for people who decide."""
