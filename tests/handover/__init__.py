"""Handing over: what one shift leaves to the next."""
