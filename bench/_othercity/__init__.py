"""A second, independent generator of test cities, written from the contract alone, to judge the detectors."""
