"""A whole prefecture: what every department of a city like Nantong hands out, beside what its own applications read."""
