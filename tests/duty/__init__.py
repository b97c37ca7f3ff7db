"""Duty rosters: who is there, who stands in, where nobody is."""
