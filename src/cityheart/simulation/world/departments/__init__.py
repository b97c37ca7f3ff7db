"""The systems of every department of the simulated prefecture beside the twelve of hazardous chemicals.

``systems.toml`` declares them: how often a system has something to say, in what way it hands it out, and how each of its
columns comes about. ``ground`` is where things are, ``frame`` the rows a system has, ``columns`` their values, ``files``,
``records`` and ``store`` the ways out. What is wrong with the files of real departments is wrong with these: they come late
or not at all, in the encoding of another, under other headers from one month to the next, with a value nobody can use.
"""

from __future__ import annotations

from .write import Written, write_departments

__all__ = ["Written", "write_departments"]
