"""The Terraform configuration, and the scripts that prepare what it deploys."""
