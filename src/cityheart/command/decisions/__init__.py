"""Decision tables: what a level, a plan or a department follows from, as a table that people read and tools draw."""
