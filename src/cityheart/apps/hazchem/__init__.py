"""Hazardous chemicals over their whole life: twelve systems of nine departments, from the licence to the disposal."""
