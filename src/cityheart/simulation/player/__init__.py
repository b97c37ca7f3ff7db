"""The player of test cities: what the systems of a city once handed out is handed out again, in bulk or live.

A test city is a folder in a neutral format (see docs/how-to/play-a-test-city.md), whoever wrote it. The player knows the
format and nothing of what made it; it never looks at ``truth/``, except in ``score``, which runs when nothing is played.
"""
