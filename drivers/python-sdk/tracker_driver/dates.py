"""The little that a driver needs of time: now, and the notations that providers write it in.

Everything is milliseconds since 1970-01-01T00:00:00Z, as in the contract. `strptime` and `email.utils` import what
they need when they are called, which a component can't; what is here needs nothing.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from tracker_driver._host import host

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):?(\d\d))", re.ASCII
)
_CLOCK = re.compile(r"(\d\d):(\d\d):(\d\d)", re.ASCII)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def now() -> int:
    """The host's clock."""
    return host.now()


def from_seconds(seconds: float) -> int:
    """Unix seconds in milliseconds."""
    return round(seconds * 1000)


def parse_rfc3339(text: str | None) -> int | None:
    """Reads `2026-11-22T10:00:00.123Z`, with any offset (`+0000`, too), any number of decimals, and a space for the T;
    None for anything else."""
    match = _RFC3339.fullmatch(text or "")
    if match is None:
        return None
    year, month, day, hour, minute, second, decimals, sign, hours, minutes = match.groups()
    offset = int(hours or 0) * 60 + int(minutes or 0)
    since = _since(int(year), int(month), int(day), int(hour), int(minute), int(second))
    if since is None:
        return None
    return since + int((decimals or "0")[:3].ljust(3, "0")) - (-offset if sign == "-" else offset) * 60_000


def parse_http_date(text: str) -> int | None:
    """Reads an HTTP date in any of its three notations (RFC 9110, 5.6.7)."""
    day = month = year = clock = None
    for word in re.split(r"[ ,-]+", text.strip()):
        if match := _CLOCK.fullmatch(word):
            clock = tuple(int(part) for part in match.groups())
        elif word.isascii() and word.isdigit():
            if day is None:
                day = int(word)
            else:
                # Two digits are of RFC 850's time, and so is their pivot.
                year = int(word) if len(word) > 2 else int(word) + (2000 if int(word) < 70 else 1900)
        elif word.lower() in _MONTHS:
            month = _MONTHS.index(word.lower()) + 1
    if day is None or month is None or year is None or clock is None:
        return None
    return _since(year, month, day, *clock)


def _since(year: int, month: int, day: int, hour: int, minute: int, second: int) -> int | None:
    try:
        # A leap second counts as the one before it.
        moment = datetime(year, month, day, hour, minute, 59 if second == 60 else second, tzinfo=timezone.utc)
    except ValueError:
        return None
    return (moment - _EPOCH) // _MILLISECOND
