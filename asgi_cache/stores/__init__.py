"""Where stored responses are kept."""
