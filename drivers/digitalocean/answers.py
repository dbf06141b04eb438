"""What DigitalOcean's answers mean. No HTTP here: everything takes what was answered and gives what it says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tracker_driver import (
    Address,
    Fields,
    Instance,
    InstanceState,
    Page,
    Realm,
    RealmState,
    UnexpectedAnswer,
    dates,
)

T = TypeVar("T")

STATES = {
    "new": InstanceState.PENDING,
    "active": InstanceState.RUNNING,
    "off": InstanceState.STOPPED,
    # The API does not say what it is. Nothing that a client can do starts such a droplet again.
    "archive": InstanceState.FINISH,
}
# Each request counts for an hour: no longer wait is ever asked for.
LONGEST_WAIT = 3600


@dataclass(frozen=True)
class Place:
    """How far a list has been read, which is what a cursor holds. Pages are numbered, so that a list that changes
    while it is read slips under the reader: what is listed twice does no harm, what is skipped would look gone."""

    page: int = 1
    listed: int = 0
    """How many were on the pages before."""
    total: int | None = None
    """How many the pages before said that there are in all."""
    changed: bool = False
    """One page before said another number than the one before it."""

    @classmethod
    def of_cursor(cls, cursor: str | None) -> Place:
        if cursor is None:
            return cls()
        page, listed, total, changed = (int(number) for number in cursor.split("/"))
        return cls(page, listed, total, bool(changed))

    def cursor(self) -> str:
        return f"{self.page}/{self.listed}/{self.total}/{int(self.changed)}"


def page(answer: Fields, what: str, read: Callable[[Fields], T], place: Place) -> Page[T]:
    """One page of the list named `what`."""
    items = [read(entry) for entry in answer.objects(what)]
    total = answer.object("meta").integer("total")
    following = answer.optional_object("links").optional_object("pages").optional_text("next")
    listed = place.listed + len(items)
    changed = place.changed or place.total not in (None, total)
    if following is not None:
        if not items:
            raise UnexpectedAnswer(f"page {place.page} has no {what}, and yet there is a next one")
        # The link is not followed: a number can't lead to another host.
        return Page.complete(items).followed_by(Place(place.page + 1, listed, total, changed).cursor())
    if changed:
        return Page.complete(items).partial(f"the number of {what} changed while they were listed, to {total}")
    if listed < total:
        return Page.complete(items).partial(f"{listed} {what} were listed of {total}")
    return Page.complete(items)


def instance(droplet: Fields) -> Instance:
    status = droplet.text("status")
    networks = droplet.optional_object("networks")
    public, private = addresses(networks)
    return Instance(
        id=str(droplet.integer("id")),
        state=STATES.get(status, InstanceState.UNKNOWN),
        provider_state=status,
        name=droplet.optional_text("name"),
        realm=droplet.optional_object("region").optional_text("slug"),
        image=image(droplet.optional_object("image")),
        hardware_profile=droplet.optional_text("size_slug"),
        launched_at=dates.parse_rfc3339(droplet.optional_text("created_at")),
        public_addresses=public,
        private_addresses=private,
        # A tag is one word; what looks like a name and a value in it is the owner's own habit.
        labels=[(tag, "") for tag in droplet.optional_texts("tags")],
    )


def image(image: Fields) -> str | None:
    """Public images have a slug, by which droplets are made from them; snapshots and backups only a number."""
    slug = image.optional_text("slug")
    if slug:
        return slug
    number = image.optional_integer("id")
    return None if number is None else str(number)


def addresses(networks: Fields) -> tuple[list[Address], list[Address]]:
    """The public and the private ones. What is neither is passed over: nothing says who reaches it."""
    by_type: dict[str | None, list[Address]] = {"public": [], "private": []}
    for name, make in (("v4", Address.ipv4), ("v6", Address.ipv6)):
        for network in networks.optional_objects(name):
            address = network.optional_text("ip_address")
            kind = network.optional_text("type")
            if address and kind in by_type:
                by_type[kind].append(make(address))
    return by_type["public"], by_type["private"]


def realm(region: Fields) -> Realm:
    """A region, in which new droplets can be made, or not."""
    slug = region.text("slug")
    available = region.optional_boolean("available")
    state = RealmState.AVAILABLE if available else RealmState.UNAVAILABLE
    return Realm(slug, region.optional_text("name") or slug, state)


def message(body: bytes) -> bytes | str:
    """What an error's body says, `id: message`; the body itself where it is none of the API's."""
    try:
        error = json.loads(body)
    except ValueError:
        return body
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return body
    name = error.get("id")
    return f"{name}: {error['message']}" if isinstance(name, str) and name else error["message"]


def wait(reset: str | None, now: int) -> int | None:
    """How long to wait in seconds, by `RateLimit-Reset`: the Unix second at which the oldest request is forgotten."""
    if reset is None or not (reset.isascii() and reset.isdigit()):
        return None
    seconds = int(reset[:12]) - now // 1000
    return min(seconds, LONGEST_WAIT) if seconds >= 0 else None
