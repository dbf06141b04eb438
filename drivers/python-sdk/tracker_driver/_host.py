"""Chooses what a driver's calls go to: the real host in a component, the pretend one of `testing` anywhere else.

Both have the same functions. This is the only place that knows which it is.
"""

from __future__ import annotations

import sys

if sys.platform == "wasi":
    from tracker_driver import _component as host
else:
    from tracker_driver import _pretend as host

__all__ = ["host"]
