"""A driver that uses the whole of the contract through the Python SDK, and tells what it was told: what the SDK's own
tests pretend is true of it in a sandbox, too. The one in JavaScript beside it does the same."""

from __future__ import annotations

from tracker_driver import (
    Account,
    AccountOption,
    Address,
    Description,
    Driver,
    Encoding,
    EndpointRole,
    Features,
    Hash,
    Instance,
    InstanceState,
    InvalidAccount,
    Output,
    Page,
    Provider,
    Query,
    Realm,
    RealmState,
    Request,
    Scheme,
    SecretKind,
    export,
    secret,
    session,
)


class Whole(Driver):
    def describe(self) -> Description:
        return Description(
            name="whole",
            title="Whole",
            version="0.1.0",
            providers=[Provider("main", "https://api.whole.example", [("identity", "https://id.whole.example/v3")])],
            endpoints=["https://api.whole.example", "https://id.whole.example"],
            options=[
                AccountOption("total", "How many entries the list is said to have. Default: as many as it has."),
                AccountOption("token", "What is signed with.", secret=True),
                AccountOption("key", "A private key.", secret=True),
            ],
            roles=[
                EndpointRole("identity", "Where it is shown who asks.", required=True),
                EndpointRole("image", "Where images are named."),
            ],
            secrets=[SecretKind.PASSWORD, SecretKind.PRIVATE_KEY, SecretKind.ACCESS_TOKEN],
            requests_per_minute=60,
            features=Features.DELTA | Features.BY_ID,
        )

    def list_instances(self, account: Account, query: Query) -> Page[Instance]:
        if query.ids:
            return Page.complete([instance(id) for id in query.ids if id != "i-9"])
        if query.changed_since is not None:
            return Page.delta([instance("i-1", [("since", str(query.changed_since))])], ["i-9"])
        # Two instances on two pages, and a template that is none.
        total = account.parsed_option("total", int, "a number") or 3
        if query.cursor is not None:
            return Page.complete([instance("i-2")]).of_total(total)
        told = [*told_of(account), ("answer", ask(account))]
        return Page.complete([instance("i-1", told)]).followed_by("2").of_total(total).omitting(1)

    def list_realms(self, account: Account, query: Query) -> Page[Realm]:
        had = session.get("had") or b"nothing"
        session.put("had", had + b", this", 60)
        return Page.complete([Realm("r-1", had.decode(), RealmState.AVAILABLE, 7)]).of_total(1)


def instance(id: str, labels: list[tuple[str, str]] | None = None) -> Instance:
    addresses = [Address.read(text) for text in ("192.0.2.1", "2001:db8::1", "web.example", "0.0.0.0")]
    return Instance(
        id,
        InstanceState.RUNNING,
        "up",
        public_addresses=[address for address in addresses if address is not None],
        labels=labels or [],
    )


def told_of(account: Account) -> list[tuple[str, str]]:
    """What this driver was told of the account, and of its secrets."""
    told = [
        ("endpoint", account.endpoint),
        ("identity", account.endpoint_of("identity") or "none"),
        ("image", account.endpoint_of("image") or "none"),
        ("secret", account.secret.name.lower().replace("_", "-")),
        ("expires", str(account.secret_expires)),
        ("absent", str(secret.optional_placeholder("absent", Encoding.RAW) is not None).lower()),
        ("matches", str(secret.matches("token", "a-token-that-signs")).lower()),
    ]
    try:
        secret.matches("token", "another text")
    except InvalidAccount as error:
        told.append(("refused", error.message))
    return told


def ask(account: Account) -> str:
    """Sends each word that there is, each on a line of its own, and gives what came back."""
    lines = {f"secret {encoding.name}": secret.placeholder("password", encoding) for encoding in Encoding}
    text = f"<{secret.placeholder('password', Encoding.RAW)}>"
    for hash in Hash:
        for output in Output:
            form = f"{hash.name} {output.name}"
            lines[f"hmac {form}"] = secret.hmac("token", hash, ["first", b"second", text], output, prefix="P")
            lines[f"digest {form}"] = secret.digest(hash, text, output)
    lines["digest of text"] = secret.digest(Hash.SHA256, "text", Output.HEX)
    digest = secret.digest(Hash.SHA1, text, Output.HEX)
    lines["hmac of digest"] = secret.hmac("token", Hash.SHA256, [digest], Output.HEX)
    for scheme in Scheme:
        lines[f"sign {scheme.name}"] = secret.sign("key", scheme, "a message to sign", Output.BASE64)
    content = "".join(f"{name}: {word}\n" for name, word in lines.items()).replace("_", "-").lower()
    request = Request.post(f"{account.endpoint_of('identity')}/sign").query(
        key=secret.placeholder("password", Encoding.QUERY),
        signature=secret.hmac("token", Hash.SHA1, ["text"], Output.BASE64_QUERY),
    )
    return request.bearer("token").body(content).send().success().text()


Inventory = export(Whole)
