"""Benchmarks, each beside its peer: ``make bench ARGS=NAME`` runs one of these modules."""
