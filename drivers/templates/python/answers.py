"""What the provider's answers mean. There is no HTTP in here, so that recorded answers are all that it takes to
test it."""

from __future__ import annotations

from tracker_driver import Address, Fields, Instance, InstanceState, Page, Realm, RealmState, dates

# Every word that the provider has for a state. One that is not here is UNKNOWN: never a guess, never an error.
STATES = {
    "creating": InstanceState.PENDING,
    "running": InstanceState.RUNNING,
    "stopping": InstanceState.STOPPING,
    "stopped": InstanceState.STOPPED,
    "deleting": InstanceState.SHUTTING_DOWN,
    "deleted": InstanceState.FINISH,
    "failed": InstanceState.ERROR,
}


def servers(answer: Fields) -> Page[Instance]:
    """A page of instances. One that says that something is missing is partial: only a complete list can show the
    host that an instance is gone."""
    # `objects` has no default: an answer without the list is an error, and not an empty list.
    page = Page.complete([instance(server) for server in answer.objects("servers")])
    page.followed_by(answer.optional_text("next"))
    unreachable = answer.optional_texts("unreachable_zones")
    if unreachable:
        page.partial(f"these zones did not answer: {', '.join(unreachable)}")
    return page


def zones(answer: Fields) -> Page[Realm]:
    """The zones, all on one page."""
    return Page.complete([realm(zone) for zone in answer.objects("zones")])


def instance(server: Fields) -> Instance:
    word = server.text("status")
    return Instance(
        id=server.text("id"),
        state=STATES.get(word, InstanceState.UNKNOWN),
        provider_state=word,
        name=server.optional_text("name"),
        realm=server.optional_text("zone"),
        image=server.optional_text("image"),
        hardware_profile=server.optional_text("size"),
        launched_at=dates.parse_rfc3339(server.optional_text("created_at")),
        public_addresses=addresses(server.optional_text("public_ip")),
        private_addresses=addresses(server.optional_text("private_ip")),
        labels=server.optional_pairs("labels"),
    )


def addresses(text: str | None) -> list[Address]:
    address = Address.read(text)
    return [] if address is None else [address]


def realm(zone: Fields) -> Realm:
    state = RealmState.AVAILABLE if zone.text("status") == "up" else RealmState.UNAVAILABLE
    return Realm(zone.text("id"), zone.text("name"), state, zone.optional_integer("max_servers"))
