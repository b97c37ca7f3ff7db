"""The simulated side of a demonstration: history that is played, and staff who answer. Stands on the sdk alone."""
