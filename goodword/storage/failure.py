"""What can go wrong with a database that is another process. All but a defect are OSErrors, like what can go wrong with a disk."""

from __future__ import annotations


class DatabaseFailure(OSError):
    """The database cannot be used at the moment."""


class StatementRefused(Exception):
    """The database does not take a statement or one of its values: a defect, of which waiting cures nothing."""


class Conflict(DatabaseFailure):
    """Another node was first: nothing of this transaction was kept, and it can be tried again at once."""


class ConnectionLost(DatabaseFailure):
    """The connection to the database was lost, or nothing came over it in time."""


class CommitUnknown(ConnectionLost):
    """The connection was lost while the commit was under way: it may have been kept or not."""
