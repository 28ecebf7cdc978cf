"""The six suites of tests; see README."""
