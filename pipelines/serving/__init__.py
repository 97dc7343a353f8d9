"""Online serving and batch scoring of deployed versions."""
