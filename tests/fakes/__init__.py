"""Real classes that replace the ports in tests."""
