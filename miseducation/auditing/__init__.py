"""Whether a data set that nobody knows is poisoned. Nothing here is told of an attack, a rate, or a test set."""
