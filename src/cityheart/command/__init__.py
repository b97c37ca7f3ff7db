"""联动指挥: one click starts a timed plan of many departments, whose every task ends verified and closed."""
