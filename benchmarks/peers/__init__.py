"""How other projects that cache responses inside an ASGI app answer the same questions."""
