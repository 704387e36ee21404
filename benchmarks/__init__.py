"""What the project measures about itself: its price, its conformance, its transparency."""
