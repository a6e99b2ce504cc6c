"""Results as DVC keeps them, and how they get into MLflow."""
