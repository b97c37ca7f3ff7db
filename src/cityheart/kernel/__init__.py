"""The ground floor: time, ids, errors, limits, settings, the database, events, actors and access, extension points.

Nothing here knows what a city does; everything above stands on it.
"""
