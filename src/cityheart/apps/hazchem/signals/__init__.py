"""What is measured about sites, tanks, vehicles and books: pure functions that several detectors and pages share."""
