"""集约服务: one system, one account, done once. Today: accounts and sessions."""
