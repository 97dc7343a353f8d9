"""One function per step of each job. Collaborators arrive as arguments; DAGs and the shell call these."""
