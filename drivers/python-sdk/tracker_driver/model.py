"""What a driver speaks of: the contract's records, with the defaults that make them short to write.

`wit/0.2.0/driver.wit` says what each field means. A record is checked when it is made, so that a mistake shows at
the line that made it and not where the record leaves the driver.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum, Flag
from ipaddress import IPv6Address
from typing import Generic, TypeVar, Union

from tracker_driver.errors import InvalidAccount

T = TypeVar("T")
V = TypeVar("V")

# Four numbers up to 255, none with a zero before it, which some readers take for octal.
_IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.(?!$)|$)){4}", re.ASCII)


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


class SecretKind(Enum):
    """What an account's secret is."""

    PASSWORD = 0
    """A password, an API key, or a token that does not end."""
    PRIVATE_KEY = 1
    """A private key in PEM."""
    ACCESS_TOKEN = 2
    """A token that somebody else got, and that Tracker replaces before it ends."""


class Features(Flag):
    NONE = 0
    DELTA = 1
    """Answers `changed_since` with a delta."""
    BY_ID = 2
    """Answers `ids` with those instances, by a small request."""


@dataclass(frozen=True)
class Provider:
    """A region or site that the driver knows by name."""

    name: str
    endpoint: str
    """Scheme, host, port where it is not the scheme's own, and a path where it has one, without a slash at the end."""
    endpoints: list[tuple[str, str]] = field(default_factory=list)
    """The endpoints of its other parts: role, endpoint."""


@dataclass(frozen=True)
class EndpointRole:
    """A part of the provider that has an endpoint of its own beside the account's: `identity`, `compute`."""

    name: str
    """Lower-case letters, digits and hyphens."""
    help: str
    """One sentence for the operator: what is asked there."""
    required: bool = False


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
    roles: list[EndpointRole] = field(default_factory=list)
    """The parts of the provider that have endpoints of their own, where one endpoint is not enough. An operator gives
    each account's provider an address for each."""
    secrets: list[SecretKind] = field(default_factory=list)
    """What the account's secret may be. Empty: a password."""
    requests_per_minute: int | None = None
    """How many requests a minute one account's provider may be sent, leaving most of what it allows to others; None
    leaves it to Tracker."""
    features: Features = Features.NONE


@dataclass(frozen=True)
class Account:
    """The account that is asked about. No secret is in it."""

    provider: str
    endpoint: str
    """Without a slash at the end; it may have a path."""
    user: str
    options: list[tuple[str, str]] = field(default_factory=list)
    """Those that are set, but for secret ones: name, value."""
    endpoints: list[tuple[str, str]] = field(default_factory=list)
    """The endpoints of the roles that are set: role, endpoint."""
    secret: SecretKind = SecretKind.PASSWORD
    """Which kind of secret `password` is."""
    secret_expires: int | None = None
    """When it ends, in milliseconds since 1970-01-01T00:00:00Z, where it is an access token and that is known."""

    def endpoint_of(self, role: str) -> str | None:
        """The endpoint of that role, where it is set; it has no slash at the end."""
        return next((endpoint for set_role, endpoint in self.endpoints if set_role == role), None)

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
    """In milliseconds. Set only where the driver has the feature DELTA, and the same for all pages of one list."""
    ids: list[str] = field(default_factory=list)
    """Only these instances are asked for, at most 100; none: all of them. Set only where the driver has the feature
    BY_ID, and never together with `changed_since`. Those that the provider does not have are left out of the page."""


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
    """The driver's own cursor to the next page; None or empty on the last one."""
    coverage: Coverage = field(default_factory=Complete)
    total: int | None = None
    """How many entries the whole list has, where the provider says: all pages together, with those that are omitted."""
    omitted: int = 0
    """How many entries of this page are of another kind and were left out, such as templates. Not those that could not
    be read: they are an error, or make the page partial."""

    def __post_init__(self) -> None:
        _text("the cursor of a page", self.next, or_none=True)
        _count("the total of a page", self.total, or_none=True)
        _count("the number of omitted entries of a page", self.omitted)

    @classmethod
    def complete(cls, items: Iterable[T]) -> Page[T]:
        """The last page, with all that the provider was asked for."""
        return cls(list(items))

    def followed_by(self, cursor: str | None) -> Page[T]:
        """The same page, followed by another one where there is a cursor."""
        _text("the cursor of a page", cursor, or_none=True)
        self.next = cursor
        return self

    def of_total(self, total: int | None) -> Page[T]:
        """The same page, with what the provider says of how many entries the whole list has."""
        _count("the total of a page", total, or_none=True)
        self.total = total
        return self

    def omitting(self, omitted: int) -> Page[T]:
        """The same page, from which so many entries of another kind were left out."""
        _count("the number of omitted entries of a page", omitted)
        self.omitted = omitted
        return self

    def partial(self, why: str) -> Page[T]:
        """The same page, said to be less than everything, and why."""
        _text("the reason of a partial page", why)
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

    @classmethod
    def read(cls, text: str | None) -> Address | None:
        """A text as what it is, whatever the provider calls it: Tracker takes no address for one of another kind. None
        where it is empty, or the unspecified address, by which some providers say that there is none."""
        text = (text or "").strip()
        if _IPV4.fullmatch(text):
            return None if text == "0.0.0.0" else cls.ipv4(text)
        # A zone belongs to one machine's interfaces: an address that has one is none for others.
        if ":" in text and "%" not in text:
            try:
                return None if IPv6Address(text).is_unspecified else cls.ipv6(text)
            except ValueError:
                pass
        return cls.hostname(text) if text else None


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
        _count("the limit of a realm", self.limit, or_none=True)


def _count(what: str, value: object, *, or_none: bool = False) -> None:
    if (type(value) is not int or not 0 <= value < 2**64) and not (or_none and value is None):
        raise TypeError(f"{what} is {value!r}: it has to be a whole number, 0 or more")


def _text(what: str, value: object, *, or_none: bool = False) -> None:
    if type(value) is not str and not (or_none and value is None):
        raise TypeError(f"{what} is {value!r} ({type(value).__name__}): it has to be text")
