"""`make bench`: what a scan and a cold start cost, beside floors measured in the same run."""
