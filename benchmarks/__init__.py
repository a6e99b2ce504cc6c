"""Programs that measure; each prints the table that the docs show."""
