"""Other caches, each in front of the same app; they run in environments of their own."""
