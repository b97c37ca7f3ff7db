"""Backtests that people start, watch and stop, kept under a name and compared; and detectors as they read them."""
