"""How a network is fitted to a training set, in one process or several."""
