"""What a cache says of itself: counts, logs and events, and the adapters that pass them on."""
