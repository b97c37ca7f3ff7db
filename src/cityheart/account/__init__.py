"""行政问效: who held every second of every task, and how each department did; recomputed from events."""
