"""The command ``asgi-cache``: what a terminal or a script may want of a cache."""
