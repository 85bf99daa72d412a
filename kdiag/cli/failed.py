"""The error that a user is shown as it is: what, where, and what to do."""

__all__ = ["Failed"]


class Failed(Exception):
    """A command could not do what was asked."""
