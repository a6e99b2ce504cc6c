"""Studies: a question asked of many models."""
