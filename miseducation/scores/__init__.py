"""How well a model does its job, how well it does the attacker's, and how much the trigger shows."""
