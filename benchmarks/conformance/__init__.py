"""The HTTP cache tests (cache-tests.fyi), run against the cache in front of their server."""
