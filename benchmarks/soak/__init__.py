"""Two processes on one Redis that fails time and again, and whether all answers are right."""
