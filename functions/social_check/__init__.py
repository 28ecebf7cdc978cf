"""Has the chat's texts checked by a service of others, and removes what nobody should read."""
