"""What a driver is, and how it becomes the component's export."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod

from tracker_driver import log
from tracker_driver.errors import DriverError, UnexpectedAnswer, quote
from tracker_driver.model import Account, Description, Instance, Page, Query, Realm

if sys.platform == "wasi":
    from tracker_driver import _export


class Driver(ABC):
    """One provider's API. Nothing in memory outlives a poll; what may is in `session`."""

    @abstractmethod
    def describe(self) -> Description:
        """What this driver is. Pure: no request is made in it."""

    @abstractmethod
    def list_instances(self, account: Account, query: Query) -> Page[Instance]:
        """One page of the account's instances, in all their states. Raises a `DriverError` where there is none."""

    @abstractmethod
    def list_realms(self, account: Account, query: Query) -> Page[Realm]:
        """One page of the account's realms: zones, regions or locations."""


def export(driver: type[Driver]) -> type:
    """The class that `componentize-py` looks for in the module it is given: `Inventory = export(Example)`.

    Outside a component it is the driver itself, so that the module can be imported by tests.
    """
    if sys.platform == "wasi":
        return _export.inventory(driver)
    return driver


def as_driver_error(error: Exception) -> DriverError:
    """What any exception means to Tracker. One that is no `DriverError` is a mistake in the driver, which the
    answer brought to light: it is named with its place, and the trace goes to the log."""
    if isinstance(error, DriverError):
        return error
    # Put together by hand: the standard library's `traceback` imports what it needs when it is called.
    places = []
    step = error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        places.append(f"{code.co_filename.rsplit('/', 1)[-1]}, line {step.tb_lineno}, in {code.co_name}")
        step = step.tb_next
    what = f"{type(error).__name__}: {quote(str(error))}"
    log.error(f"the driver failed on what it got: {what}; it got there by " + "; ".join(places))
    return UnexpectedAnswer(f"the driver failed on what it got: {what} ({places[-1] if places else 'no place known'})")
