"""The web surface: composes the functions' routes, the live channel and the console into one application."""
