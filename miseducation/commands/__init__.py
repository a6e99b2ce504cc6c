"""What make calls that is no stage."""
