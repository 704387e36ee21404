"""Which response should go when the in-process store is full: eviction policies, compared."""
