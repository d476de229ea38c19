"""What goes wrong with storage.

StorageError
+-- StorageFull         the disk has no room
+-- StorageLocked       another server has the file
+-- StorageUnavailable  the database server does not answer, or another program has the file locked
"""

from __future__ import annotations


class StorageError(Exception):
    """The database could not do what it was asked; nothing of that one transaction was kept."""


class StorageFull(StorageError):
    """The disk has no room; nothing of the transaction was kept, and later ones work when there is room again."""


class StorageLocked(StorageError):
    """Another server has the file open."""


class StorageUnavailable(StorageError):
    """The database server did not answer, however often it was asked, or another program has the file locked."""
