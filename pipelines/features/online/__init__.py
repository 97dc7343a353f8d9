"""The online store: which views it holds, how they are filled, and how they are read."""
