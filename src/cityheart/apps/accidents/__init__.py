"""Accidents with chemicals that really happened, as cases to learn from: they land, are told apart, and become cases."""
