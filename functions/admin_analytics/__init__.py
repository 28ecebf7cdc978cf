"""Shows metrics to admins, and takes their wishes for reports as files."""
