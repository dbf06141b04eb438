"""The component's export: calls a driver, and turns what it gives or raises into the contract's own types.

Records cross to the host field by field, so the SDK's own will do; variants are told apart by their class, and
have to be the generated ones. Only imported in a component, where `componentize-py` provides `wit_world`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from componentize_py_types import Err
from wit_world.exports import inventory as wit

from tracker_driver import driver as drivers
from tracker_driver import errors, model

T = TypeVar("T")

_ERRORS: dict[type, Callable[[str], wit.Error]] = {
    errors.Unauthorized: wit.Error_Unauthorized,
    errors.Forbidden: wit.Error_Forbidden,
    errors.Unavailable: wit.Error_Unavailable,
    errors.InvalidAccount: wit.Error_InvalidAccount,
    errors.UnexpectedAnswer: wit.Error_UnexpectedAnswer,
}


def inventory(driver: type[drivers.Driver]) -> type:
    """The class that `componentize-py` makes the export of."""

    class Inventory:
        def describe(self) -> model.Description:
            return driver().describe()

        def list_instances(self, account: wit.Account, query: wit.Query) -> wit.InstancePage:
            page = _called(driver().list_instances, account, query)
            return wit.InstancePage(  # type: ignore[arg-type]
                page.items, page.next, _coverage(page.coverage), page.total, page.omitted
            )

        def list_realms(self, account: wit.Account, query: wit.Query) -> wit.RealmPage:
            page = _called(driver().list_realms, account, query)
            return wit.RealmPage(  # type: ignore[arg-type]
                page.items, page.next, _coverage(page.coverage), page.total, page.omitted
            )

    return Inventory


def _called(
    function: Callable[[model.Account, model.Query], model.Page[T]], account: wit.Account, query: wit.Query
) -> model.Page[T]:
    try:
        return function(
            model.Account(
                account.provider,
                account.endpoint,
                account.user,
                list(account.options),
                list(account.endpoints),
                model.SecretKind(account.secret.value),
                account.secret_expires,
            ),
            model.Query(query.cursor, query.changed_since, list(query.ids)),
        )
    except MemoryError:
        # The host knows which limit that was, and says so.
        raise
    except Exception as error:
        raise Err(_error(drivers.as_driver_error(error))) from None


def _error(error: errors.DriverError) -> wit.Error:
    if isinstance(error, errors.Throttled):
        wait = error.retry_after
        return wit.Error_Throttled(wit.Throttle(None if wait is None else min(max(wait, 0), 2**32 - 1), error.message))
    for kind in type(error).__mro__:
        if kind in _ERRORS:
            return _ERRORS[kind](error.message)
    return wit.Error_UnexpectedAnswer(error.message)


def _coverage(coverage: model.Coverage) -> wit.Coverage:
    if isinstance(coverage, model.Partial):
        return wit.Coverage_Partial(coverage.why)
    return wit.Coverage_Delta(coverage.removed) if isinstance(coverage, model.Delta) else wit.Coverage_Complete()
