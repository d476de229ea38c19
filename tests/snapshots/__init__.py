"""Snapshots: the shape of events and of stream items, pinned as scripts that a person can read."""
