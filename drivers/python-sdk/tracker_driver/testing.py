"""A pretend host, so that a whole driver can be tested under any Python: it holds secrets, gives recorded answers
in turn, and keeps what the driver sent. Import it in tests, never in a driver: it is not there in a component.

    from tracker_driver.testing import Answer, Host

    host = Host(secrets={"password": "s3cret"}, answers=[Answer(200, "[]")])
    page, seen = host.run(lambda: Example().list_instances(account, Query()))
    assert seen.sent[0].url == "https://api.cloud.example/servers"

What a driver raises comes out of `run`, and `host.seen` has what it did before. `host.fails(code)` is for tests that
expect an error: it gives it back, as Tracker would get it.
"""

from __future__ import annotations

from collections.abc import Callable

from tracker_driver import _pretend
from tracker_driver._pretend import Answer, Seen, Sent
from tracker_driver.driver import as_driver_error
from tracker_driver.errors import DriverError

__all__ = ["Answer", "Host", "Seen", "Sent"]


class Host(_pretend.Host):
    """What a driver under test finds around it. A request that no answer is left for is `Unavailable`."""

    def fails(self, code: Callable[[], object]) -> DriverError:
        """Runs a driver's code, which has to fail; gives the error as Tracker would get it."""
        try:
            self.run(code)
        except Exception as error:
            failure = error
            return self.run(lambda: as_driver_error(failure))[0]
        raise AssertionError("it did not fail")
