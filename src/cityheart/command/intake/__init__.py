"""Intake: what residents report, merged into matters, with the right department proposed. The verbs are in service.py."""
