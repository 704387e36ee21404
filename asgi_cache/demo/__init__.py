"""A task API over a slow database, and a client that shows what the cache does for it."""
