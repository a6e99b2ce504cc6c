"""What defences share: what a defender has, the base classes, how trusted rows are drawn."""
