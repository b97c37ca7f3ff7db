"""Long work that a person asked for: kept in the store, carried out beside the city by whichever process has room."""
