"""What earlier versions and rollouts of a model leave to a retraining."""
