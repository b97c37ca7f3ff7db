"""Vehicles are followed as their positions land: trips, stays and visits become datasets of their own."""
