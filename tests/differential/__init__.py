"""The same graphs built on both libraries and observed side by side."""
