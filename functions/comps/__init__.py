"""Members see what can be won, and choose the destination of their trips."""
