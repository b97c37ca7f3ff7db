"""Cleaning: what a contract says is done to a value before it is checked (``cityheart.clean``), counted step by step.

``steps`` is the vocabulary, ``clean`` does it to whole columns, ``dates``, ``codes``, ``letters`` and ``quantities``
hold what the steps know. A contract reads the vocabulary; the check does the work.
"""
