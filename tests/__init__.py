"""Six suites; see README."""
