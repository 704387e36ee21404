"""Other projects' test suites, run with the cache in front of every app they call."""
