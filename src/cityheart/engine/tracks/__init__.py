"""Tracks: what the fixes of vehicles mean — stays, trips between them, visits to places and zones."""
