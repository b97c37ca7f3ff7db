"""The spatio-temporal engine: lake tables of row versions, SQL over them, the hot window, and keyed runs."""
