"""Pages and plots for the people who review versions."""
