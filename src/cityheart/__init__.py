"""CityHeart 城心: the city operating system. The folders beside this file are the floor plan; start at ``city.py``."""

from __future__ import annotations

__version__ = "0.1.0"
