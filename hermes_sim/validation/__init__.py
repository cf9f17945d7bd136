"""Our numbers beside published ones, and the engines beside each other."""
