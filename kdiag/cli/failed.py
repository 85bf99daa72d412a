"""The error that a user is shown as it is: what, where, and what to do."""

__all__ = ["Failed"]


class Failed(Exception):
    """A command could not do what was asked; ``more`` are further lines, such as the kernel's own words."""

    def __init__(self, what: str, *more: str) -> None:
        super().__init__(what)
        self.more = more
