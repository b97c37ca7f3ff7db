"""CityHeart's own applications: each folder declares what its matter needs and imports only ``cityheart.sdk``."""
