"""Scenarios: a graph with a saver, and a script of calls on one thread of it, played on either engine."""
