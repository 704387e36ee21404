"""The same requests to this cache and to Varnish, and what the two answer differently."""
