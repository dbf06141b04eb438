"""DigitalOcean's API v2: droplets and regions. Two lists in pages of 200, with a token in a header.

Parsing is in `answers`, apart from HTTP; here is what is asked and what comes of an answer's status.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import answers
from tracker_driver import (
    Account,
    Description,
    Driver,
    Fields,
    Instance,
    Page,
    Provider,
    Query,
    Realm,
    Request,
    UnexpectedAnswer,
    dates,
    export,
)
from tracker_driver.http import Response

VERSION = "0.1.0"
ENDPOINT = "https://api.digitalocean.com"
# The most that the API gives at once.
PER_PAGE = 200

T = TypeVar("T")


class DigitalOcean(Driver):
    """The password is an API token that may read droplets and regions; the user is only a name for it."""

    def describe(self) -> Description:
        return Description(
            name="digitalocean",
            title="DigitalOcean",
            version=VERSION,
            providers=[Provider("main", ENDPOINT)],
            endpoints=[ENDPOINT],
            # 5,000 an hour are what one token has.
            requests_per_minute=60,
        )

    def list_instances(self, account: Account, query: Query) -> Page[Instance]:
        return _list(account, query, "droplets", answers.instance)

    def list_realms(self, account: Account, query: Query) -> Page[Realm]:
        return _list(account, query, "regions", answers.realm)


def _list(account: Account, query: Query, what: str, read: Callable[[Fields], T]) -> Page[T]:
    place = answers.Place.of_cursor(query.cursor)
    request = Request.get(f"{account.endpoint}/v2/{what}").query(per_page=PER_PAGE, page=place.page)
    response = request.bearer("password").header("accept", "application/json").send()
    if not 200 <= response.status < 300:
        raise _error(response)
    answer = response.json()
    try:
        return answers.page(answer, what, read, place)
    except UnexpectedAnswer as error:
        raise error.during(response.asked) from None


def _error(response: Response) -> Exception:
    """The error of a status, in the API's own words, with the wait that it asks for."""
    return response.error_quoting(
        answers.message(response.start_of_body()),
        answers.wait(response.headers.get("ratelimit-reset"), dates.now()),
    )


Inventory = export(DigitalOcean)
