"""Console commands and their terminal output."""
