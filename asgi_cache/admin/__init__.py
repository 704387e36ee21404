"""An app beside the cached one, by which an operator sees what is stored and steers it."""
