"""A simulated prefecture: firms, tanks, roads and trucks that obey physics, and the systems that report on them.

What it writes is a test city (``write.py``): the folder that the player plays, with what was planted in ``truth/``.
Nothing in it is real.
"""
