"""What a flood of requests that nobody repeats does to those that are asked for often."""
