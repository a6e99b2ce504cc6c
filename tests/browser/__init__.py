"""What people see, as a real browser shows it."""
