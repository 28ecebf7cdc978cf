"""Real classes that stand at the ports."""
