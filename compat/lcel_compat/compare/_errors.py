"""What can go wrong before anything is compared.

ComparisonError (Exception)
├── ContractError        a contract that says nothing, or not in the form that is read
└── UncopyableInputError an input of which each side cannot get a copy of its own
"""

from __future__ import annotations


class ComparisonError(Exception):
    """Nothing could be compared; the message says why and what to do."""


class ContractError(ComparisonError):
    """A contract that cannot be read; the message names the file or the entry, and what is allowed there."""


class UncopyableInputError(ComparisonError):
    """An input that cannot be copied; the message names the path to the part that refuses."""
