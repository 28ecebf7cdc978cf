"""A member's notifications and their exact unread count."""
