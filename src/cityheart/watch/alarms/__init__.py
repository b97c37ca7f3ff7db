"""Alerts, not noise: what a person has silenced for a while, and how many alerts the people on duty have to take."""
