"""Members list and read their notifications; the unread count is exact."""
