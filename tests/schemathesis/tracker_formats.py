"""What the API's description calls a format, drawn as a client would have it: opaque places that this host gave out,
times that are past, and receivers that callbacks may go to.
"""

import base64
import datetime
import os
import re
import urllib.request
import uuid

import schemathesis
from hypothesis import strategies as st

URL, USER, PASSWORD = (os.environ[f"TRACKER_{name}"] for name in ("URL", "USER", "PASSWORD"))


def newest_cursor():
    request = urllib.request.Request(f"{URL}/api/instances")
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    request.add_header("Authorization", f"Basic {basic}")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.headers["Tracker-Cursor"]


def opaque(text):
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def rfc_3339(ahead):
    return (datetime.datetime.now(datetime.timezone.utc) + ahead).isoformat().replace("+00:00", "Z")


cursor = st.just(newest_cursor())
past = st.integers(1, 50).map(lambda ago: rfc_3339(datetime.timedelta(milliseconds=-ago)))
ids = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
# Of hooks and tokens: those that are made on the way have higher ones, and are followed by links.
number = st.integers(1, 3).map(str)
receiver = st.sampled_from(["http://127.0.0.1:9/cb", "https://127.0.0.1:9/", "http://127.0.0.1:9/a?b=c"])
crockford = st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=25, max_size=25)

# For any version of a hook, and for one that none has. Others are refused as they should be, by what only the host knows.
CONDITIONS = {"If-Match": "*", "If-None-Match": '"none"'}

FORMATS = {
    "instances-page": ids.map(lambda text: opaque(f"instance:{text}")),
    "realms-page": ids.map(lambda text: opaque(f"realm:{text}")),
    "hooks-page": number.map(lambda text: opaque(f"hook:{text}")),
    "tokens-page": number.map(lambda text: opaque(f"token:{text}")),
    "cursor": cursor,
    "since": cursor | st.sampled_from(["0", "now"]),
    "place": cursor | st.just("0") | past,
    "past": past,
    "expiry": st.integers(1, 300).map(lambda days: rfc_3339(datetime.timedelta(days=days))),
    "span": st.integers(1, 100).map(lambda seconds: f"{seconds}s") | st.sampled_from(["5 min", "2 days"]),
    "receiver": receiver,
    "hook": receiver | st.just("none"),
    "signing-secret": st.binary(min_size=24, max_size=64).map(
        lambda key: "whsec_" + base64.b64encode(key).decode()
    ),
    "if-match": st.just(CONDITIONS["If-Match"]),
    "if-none-match": st.just(CONDITIONS["If-None-Match"]),
    "hook-id": number,
    "token-id": number,
    "change-id": crockford.map(lambda text: "chg_0" + text),
}
for name, strategy in FORMATS.items():
    schemathesis.openapi.format(name, strategy)


def is_sent(value):
    """Whether anything of a parameter's value is in a URL: an empty list is not."""
    if isinstance(value, (list, tuple)):
        return any(map(is_sent, value))
    return value is not None and value != {}


# Lists of a filter that may contradict each other, which is refused and which a schema does not say.
CONTRADICTING = {"kind", "kinds", "type", "types", "from", "to"}


def is_consistent(members):
    """Whether a filter has one of these lists at most."""
    return not isinstance(members, dict) or sum(1 for name in CONTRADICTING if members.get(name)) <= 1


def is_signed_by_one(members):
    """Whether a secret comes for HMAC alone: the private key of another algorithm is made by the host."""
    return not isinstance(members, dict) or members.get("signing") != "ed25519" or members.get("secret") is None


@schemathesis.hook
def filter_case(context, case):
    """What is wrong with a query has to be sent with it; a condition is one that holds, and a filter one that can be passed."""
    conditions = ((case.headers or {}).get(name, holds) == holds for name, holds in CONDITIONS.items())
    query = case.query or {}
    if not (all(map(is_sent, query.values())) and all(conditions)):
        return False
    return is_consistent(query) and is_consistent(case.body) and is_signed_by_one(case.body)


# What goes together in a request for changes, which stands in the descriptions of the parameters.
FILTERS = {"kind", "id", "realm_id", "type", "from", "to"}
TOGETHER = {"lease": {"lease", "limit"}, "snapshot": {"snapshot", "ticket"} | FILTERS, "since": {"since", "limit", "wait"} | FILTERS}


@schemathesis.hook
def map_case(context, case):
    """Of what was drawn to be accepted, what goes together is sent."""
    if case.path == "/api/changes" and case.query and case.meta.generation.mode.is_positive:
        asked = next((those for name, those in TOGETHER.items() if name in case.query), set())
        for name in set().union(*TOGETHER.values()) - asked:
            case.query.pop(name, None)
        for name in sorted(CONTRADICTING & set(case.query))[1:]:
            del case.query[name]
    return case


VALID_KEY = re.compile(r"[!-~]{1,255}")


@schemathesis.hook
def before_call(context, case, kwargs):
    """A key belongs to one request: where a good one would come again, a client takes another."""
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and VALID_KEY.fullmatch(key):
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
