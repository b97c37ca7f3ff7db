"""The inbox of the console: what the city tells a department, a role of the command centre, or one person."""
