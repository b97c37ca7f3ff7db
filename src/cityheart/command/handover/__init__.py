"""交接班: what one shift leaves to the next, drafted from what stands, signed by one person and taken over by another."""
