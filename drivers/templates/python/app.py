"""{{title}}: its servers and zones, in pages of JSON.

What is here speaks HTTP; what an answer means is in `answers`. The provider is made up: put yours in its place, one
function after the other, and keep the tests going.
"""

from __future__ import annotations

import answers
from tracker_driver import (
    Account,
    AccountOption,
    Description,
    Driver,
    Fields,
    Instance,
    Page,
    Provider,
    Query,
    Realm,
    Request,
    export,
)

# Where the provider is reached, unless the operator configured another place.
ENDPOINT = "https://api.{{name}}.example"
# How many servers the provider gives on one page, at most.
PAGE = 100


class Cloud(Driver):
    def describe(self) -> Description:
        return Description(
            name="{{name}}",
            title="{{title}}",
            version="0.1.0",
            providers=[Provider("main", ENDPOINT)],
            # The host lets no request go anywhere else.
            endpoints=[ENDPOINT],
            options=[AccountOption("project", "The project whose servers are listed. Default: all of them.")],
        )

    def list_instances(self, account: Account, query: Query) -> Page[Instance]:
        fields: dict[str, str | int] = {"limit": PAGE}
        project = account.option("project")
        if project is not None:
            fields["project"] = project
        # What the page before gave as `next`; the first page has none.
        if query.cursor is not None:
            fields["after"] = query.cursor
        return answers.servers(get(account, "/v1/servers", fields))

    def list_realms(self, account: Account, query: Query) -> Page[Realm]:
        return answers.zones(get(account, "/v1/zones", {}))


def get(account: Account, path: str, fields: dict[str, str | int]) -> Fields:
    """What the provider answers. The token is put in by the host, on the way out: the driver never sees it.
    `success` raises the contract's error for every status that is not 2xx."""
    request = Request.get(account.endpoint + path).query(**fields).header("accept", "application/json")
    return request.bearer("password").send().success().json()


# What `componentize-py` looks for.
Inventory = export(Cloud)
