"""The account's small memory across polls, for what is costly to get again, such as a login token.

Tracker keeps it sealed, over restarts too. It may forget any of it at any time, and does when the account's
credentials, endpoints or options change: a driver that finds nothing logs in again.
"""

from __future__ import annotations

from tracker_driver._host import host


def get(key: str) -> bytes | None:
    """What was put under `key`, where Tracker still has it."""
    return host.session_get(key)


def put(key: str, value: bytes, lifetime_seconds: int) -> None:
    """Keeps a value for so many seconds. One of more than 16 KiB, or behind 16 others of the account, is not kept."""
    host.session_put(key, value, lifetime_seconds)
