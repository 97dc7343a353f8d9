"""A user's own code: modules in ``models/code/``, read with a declaration and loaded from it."""
