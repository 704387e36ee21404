"""How fast processes agree: purges, shared runs, and what following the log costs."""
