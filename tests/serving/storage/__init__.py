"""Storage of a server."""
