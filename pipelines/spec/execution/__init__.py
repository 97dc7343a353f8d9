"""How the tasks of a model are executed."""
