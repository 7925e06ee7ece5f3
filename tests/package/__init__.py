"""The package as it is uploaded, and as somebody installs it."""
