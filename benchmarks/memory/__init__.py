"""What a stored response takes of memory, here and in Redis, and what a budget is worth."""
