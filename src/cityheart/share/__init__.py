"""汇聚共享: what the departments know, brought together under contracts, with a reason for every row that is not."""
