"""The account's small memory across polls, for what is costly to get again, such as a login token.

Tracker may forget any of it at any time: a driver that finds nothing logs in again.
"""

from __future__ import annotations

from tracker_driver._host import host


def get(key: str) -> bytes | None:
    """What was put under `key`, where Tracker still has it."""
    return host.session_get(key)


def put(key: str, value: bytes, lifetime_seconds: int) -> None:
    """Keeps a value of at most 16 KiB for so many seconds."""
    host.session_put(key, value, lifetime_seconds)
