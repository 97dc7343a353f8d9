"""Commands that show what serves, why, and whether the installation works."""
