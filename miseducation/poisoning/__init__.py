"""Which rows an attacker takes, what they are told to be, and how they get into the training set."""
