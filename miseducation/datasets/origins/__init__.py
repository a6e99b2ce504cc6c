"""What data sets have in common, by where they come from."""
