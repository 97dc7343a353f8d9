"""One function per step; collaborators arrive as arguments. DAGs and the shell call these."""
