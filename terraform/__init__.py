"""Where things run: Terraform, and the scripts that prepare what it deploys."""
