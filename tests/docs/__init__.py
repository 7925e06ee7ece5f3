"""The documentation: its examples run, its site is whole, what it names exists."""
