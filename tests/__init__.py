"""The tests: they mirror the two packages, and compare with the real libraries."""
