"""Members talk in channels: they read, post, edit, remove and react."""
