"""Has Google Live Stream take the picture of live events, and keeps what it does in step with what people want."""
