"""Learns from real traffic what is worth caching, and for how long."""
