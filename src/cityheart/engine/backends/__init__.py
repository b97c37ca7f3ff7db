"""Engines that answer SQL over lake tables."""
