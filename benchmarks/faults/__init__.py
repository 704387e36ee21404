"""What users of an app notice of a Redis in trouble, with this cache and with others."""
