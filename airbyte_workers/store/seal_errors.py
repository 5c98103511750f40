"""What can be wrong with a seal: apart from it, because every pod's program starts with this and hardly one seals."""

from __future__ import annotations


class SealError(Exception):
    """A key is not usable, or a value cannot be sealed or opened; the message never tells the value."""
