"""The dashboard over a store that is full, in a real browser."""
