"""From a frame of features to a model and to what the recent window says about it."""
