"""Who reads which columns and rows of a dataset, for what purpose and until when."""
