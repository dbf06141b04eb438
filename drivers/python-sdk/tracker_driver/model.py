"""What a driver speaks of: the contract's records, with the defaults that make them short to write.

`wit/0.1.0/driver.wit` says what each field means. A record is checked when it is made, so that a mistake shows at
the line that made it and not where the record leaves the driver.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum, Flag
from typing import Generic, TypeVar, Union

from tracker_driver.errors import InvalidAccount

T = TypeVar("T")
V = TypeVar("V")


class InstanceState(Enum):
    """What an instance is doing. Never guess: what a driver does not know is UNKNOWN."""

    PENDING = 0
    """Being made or starting."""
    RUNNING = 1
    STOPPING = 2
    """On its way to STOPPED."""
    STOPPED = 3
    """Not running; can be started again."""
    SHUTTING_DOWN = 4
    """On its way to FINISH."""
    FINISH = 5
    """Ended for good."""
    ERROR = 6
    """The provider says that it failed."""
    UNKNOWN = 7


class RealmState(Enum):
    AVAILABLE = 0
    UNAVAILABLE = 1


class AddressKind(Enum):
    IPV4 = 0
    IPV6 = 1
    HOSTNAME = 2


class Features(Flag):
    NONE = 0
    DELTA = 1
    """Answers `changed_since` with a delta."""


@dataclass(frozen=True)
class Provider:
    """A region or site that the driver knows by name."""

    name: str
    endpoint: str
    """Scheme, host, and port where it is not the scheme's own."""


@dataclass(frozen=True)
class AccountOption:
    """What an account may be given beside user and password."""

    name: str
    help: str
    """One sentence for the operator: what it does, its form, its default."""
    required: bool = False
    secret: bool = False
    """A secret option stays in Tracker, like the password: it is used by name, through `secret`."""


@dataclass(frozen=True)
class Description:
    """What the driver is. It has to be the same every time, and no request may be made for it."""

    name: str
    """Lower-case letters, digits and hyphens, at most 32."""
    title: str
    version: str
    providers: list[Provider] = field(default_factory=list)
    endpoints: list[str] = field(default_factory=list)
    """Every endpoint that the driver may want to reach; `*` stands for one label or a part of one."""
    options: list[AccountOption] = field(default_factory=list)
    requests_per_minute: int | None = None
    """How many requests a minute one account's provider may be sent, leaving most of what it allows to others; None
    leaves it to Tracker."""
    features: Features = Features.NONE


@dataclass(frozen=True)
class Account:
    """The account that is asked about. No secret is in it."""

    provider: str
    endpoint: str
    """Without a slash at the end."""
    user: str
    options: list[tuple[str, str]] = field(default_factory=list)

    def option(self, name: str) -> str | None:
        """The option of that name, where it is set. Secret options are never here."""
        return next((value for set_name, value in self.options if set_name == name), None)

    def required_option(self, name: str) -> str:
        value = self.option(name)
        if value is None:
            raise InvalidAccount(f"the option `{name}` is required and not set")
        return value

    def parsed_option(self, name: str, parse: Callable[[str], V], accepted: str) -> V | None:
        """The option as `parse` reads it, where it is set; `accepted` completes "it has to be ..."."""
        text = self.option(name)
        if text is None:
            return None
        try:
            return parse(text.strip())
        except ValueError:
            raise InvalidAccount.bad_option(name, text, accepted) from None


@dataclass(frozen=True)
class Query:
    cursor: str | None = None
    """None for the first page; then what the page before gave as `next`."""
    changed_since: int | None = None
    """Set only where the driver has the feature DELTA."""


@dataclass(frozen=True)
class Complete:
    """The provider answered with everything that it was asked for."""


@dataclass(frozen=True)
class Partial:
    """It answered with less, for this reason. Nothing is taken for gone after such a list."""

    why: str


@dataclass(frozen=True)
class Delta:
    """Only what changed since `query.changed_since`, and the ids of what is no more since then, as far as the provider
    tells. Of one list all pages are a delta, or none."""

    removed: list[str] = field(default_factory=list)


Coverage = Union[Complete, Partial, Delta]


@dataclass
class Page(Generic[T]):
    """One page of a list."""

    items: list[T]
    next: str | None = None
    """The driver's own cursor to the next page; None on the last one."""
    coverage: Coverage = field(default_factory=Complete)

    @classmethod
    def complete(cls, items: Iterable[T]) -> Page[T]:
        """The last page, with all that the provider was asked for."""
        return cls(list(items))

    def followed_by(self, cursor: str | None) -> Page[T]:
        """The same page, followed by another one where there is a cursor."""
        _text("the cursor of a page", cursor, or_none=True)
        self.next = cursor
        return self

    def partial(self, why: str) -> Page[T]:
        """The same page, said to be less than everything, and why."""
        self.coverage = Partial(why)
        return self

    @classmethod
    def delta(cls, items: Iterable[T], removed: Iterable[str] = ()) -> Page[T]:
        """The last page, with what changed since `query.changed_since` and the ids of what is no more."""
        return cls(list(items), coverage=Delta(list(removed)))


@dataclass
class Address:
    kind: AddressKind
    value: str

    def __post_init__(self) -> None:
        _text("an address", self.value)

    @classmethod
    def ipv4(cls, value: str) -> Address:
        return cls(AddressKind.IPV4, value)

    @classmethod
    def ipv6(cls, value: str) -> Address:
        return cls(AddressKind.IPV6, value)

    @classmethod
    def hostname(cls, value: str) -> Address:
        return cls(AddressKind.HOSTNAME, value)


@dataclass
class Instance:
    """An instance: id, state and the provider's own word for it are required, the rest is what is known."""

    id: str
    """The provider's id: unique in the account, at most 255 bytes, and the same in every poll."""
    state: InstanceState
    provider_state: str
    """The provider's own word for its state, unchanged."""
    name: str | None = None
    owner: str | None = None
    realm: str | None = None
    image: str | None = None
    hardware_profile: str | None = None
    launched_at: int | None = None
    """Milliseconds since 1970-01-01T00:00:00Z; `dates` reads providers' notations."""
    public_addresses: list[Address] = field(default_factory=list)
    private_addresses: list[Address] = field(default_factory=list)
    labels: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        _text("the id of an instance", self.id)
        _text("the provider state of an instance", self.provider_state)
        for name in ("name", "owner", "realm", "image", "hardware_profile"):
            value = getattr(self, name)
            if value is not None:
                _text(f"the {name} of an instance", value)
        if type(self.state) is not InstanceState:
            raise TypeError(f"the state of an instance is {self.state!r}: it has to be an InstanceState")
        if self.launched_at is not None and type(self.launched_at) is not int:
            raise TypeError(f"the time of an instance's launch is {self.launched_at!r}: it has to be milliseconds")
        for name, value in self.labels:
            _text("the name of a label", name)
            _text("the value of a label", value)


@dataclass
class Realm:
    """What the provider calls a zone, a region or a location."""

    id: str
    name: str
    state: RealmState
    limit: int | None = None
    """How many instances the account may have here, where the provider says."""

    def __post_init__(self) -> None:
        _text("the id of a realm", self.id)
        _text("the name of a realm", self.name)
        if type(self.state) is not RealmState:
            raise TypeError(f"the state of a realm is {self.state!r}: it has to be a RealmState")


def _text(what: str, value: object, *, or_none: bool = False) -> None:
    if type(value) is not str and not (or_none and value is None):
        raise TypeError(f"{what} is {value!r} ({type(value).__name__}): it has to be text")
