"""What a driver for Tracker is written with, in Python.

A driver answers two questions about a cloud account: which instances are there, and which realms. This is a
whole one, for a provider that answers with JSON:

    from tracker_driver import (
        Account, Description, Driver, Instance, InstanceState, Page, Provider, Query, Realm, Request, export,
    )

    STATES = {"active": InstanceState.RUNNING, "off": InstanceState.STOPPED}

    class Example(Driver):
        def describe(self) -> Description:
            return Description(
                name="example",
                title="Example Cloud",
                version="0.1.0",
                providers=[Provider("main", "https://api.cloud.example")],
                endpoints=["https://api.cloud.example"],
            )

        def list_instances(self, account: Account, query: Query) -> Page[Instance]:
            servers = Request.get(f"{account.endpoint}/servers").basic_auth().send().success().json().objects()
            return Page.complete([instance(server) for server in servers])

        def list_realms(self, account: Account, query: Query) -> Page[Realm]:
            return Page.complete([])

    def instance(server) -> Instance:
        word = server.text("status")
        state = STATES.get(word, InstanceState.UNKNOWN)
        return Instance(server.text("id"), state, word, name=server.optional_text("name"))

    Inventory = export(Example)

`componentize-py` makes a component of it, which looks for the name `Inventory`. A driver never sees a secret:
`tracker_driver.secret` says how it uses one all the same. `tracker_driver.testing` has a pretend host, with
which the same code runs under any Python, for tests.

The standard library is all that this needs. In a component only what is imported at the top of a module is
there, and `ssl`, `ctypes`, `socket` and threads are not there at all: import at the top, and send requests with
`Request`.
"""

from tracker_driver import dates, log, secret, session
from tracker_driver.driver import Driver, export
from tracker_driver.errors import (
    DriverError,
    Forbidden,
    InvalidAccount,
    NotSet,
    Throttled,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
)
from tracker_driver.fields import Fields
from tracker_driver.http import Headers, Request, Response
from tracker_driver.model import (
    Account,
    AccountOption,
    Address,
    AddressKind,
    Complete,
    Coverage,
    Delta,
    Description,
    EndpointRole,
    Features,
    Instance,
    InstanceState,
    Page,
    Partial,
    Provider,
    Query,
    Realm,
    RealmState,
    SecretKind,
)
from tracker_driver.secret import Encoding, Hash, Output, Scheme
from tracker_driver.urls import encode_path, encode_query

__all__ = [
    "Account",
    "AccountOption",
    "Address",
    "AddressKind",
    "Complete",
    "Coverage",
    "Delta",
    "Description",
    "Driver",
    "DriverError",
    "Encoding",
    "EndpointRole",
    "Features",
    "Fields",
    "Forbidden",
    "Hash",
    "Headers",
    "Instance",
    "InstanceState",
    "InvalidAccount",
    "NotSet",
    "Output",
    "Page",
    "Partial",
    "Provider",
    "Query",
    "Realm",
    "RealmState",
    "Request",
    "Response",
    "Scheme",
    "SecretKind",
    "Throttled",
    "Unauthorized",
    "Unavailable",
    "UnexpectedAnswer",
    "dates",
    "encode_path",
    "encode_query",
    "export",
    "log",
    "secret",
    "session",
]
