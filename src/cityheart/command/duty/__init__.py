"""值班: who is on duty for which department at which hour, who stands in for whom, and where nobody is."""
