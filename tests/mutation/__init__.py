"""Random breaks of the whole product, and the tests that notice them: `make mutants SAMPLE=100 SEED=1`."""
