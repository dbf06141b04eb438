"""A program that uses the client which openapi-python-client makes of the API's description. Every answer is of the type
that the description says. It prints the secret of the hook that it made, and the change that tested it.
"""

import base64
import json
import os
import re
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from urllib.parse import unquote

import httpx
from tracker_client import AuthenticatedClient
from tracker_client.api.changes import list_changes
from tracker_client.api.inventory import get_instance, list_instances
from tracker_client.api.tracking import (
    create_hook,
    delete_hook,
    get_hook,
    list_deliveries,
    replace_hook,
    rotate_hook,
    test_hook,
)
from tracker_client.models import (
    CallbackFormat,
    ChangeType,
    DeliveryList,
    DeliveryState,
    Hook,
    HookMode,
    HookReplacement,
    HookStatus,
    HookTest,
    Instance,
    InstanceList,
    InstanceState,
    Kind,
    NewHook,
    Problem,
    SigningAlgorithm,
)

SECONDS = 30

credentials = f"{os.environ['TRACKER_USER']}:{os.environ['TRACKER_PASSWORD']}"
tracker = AuthenticatedClient(
    base_url=os.environ["TRACKER_URL"],
    token=base64.b64encode(credentials.encode()).decode(),
    prefix="Basic",
    timeout=httpx.Timeout(SECONDS),
    raise_on_unexpected_status=True,
)


def next_page(headers: Mapping[str, str]) -> str:
    after = re.search("[?&]after=([^&>]+)", headers["Link"])
    assert after is not None, headers
    return unquote(after[1])


def ids(page: object) -> list[str]:
    assert isinstance(page, InstanceList), page
    return [instance.id for instance in page.instances]


# Page by page.
first = list_instances.sync_detailed(client=tracker, limit=2)
assert ids(first.parsed) == ["inst0", "inst1"]
cursor = first.headers["Tracker-Cursor"]
rest = list_instances.sync_detailed(client=tracker, limit=2, after=next_page(first.headers))
assert ids(rest.parsed) == ["inst3"]
assert "Link" not in rest.headers

# Filtered.
assert ids(list_instances.sync(client=tracker, state=InstanceState.RUNNING, realm_id="eu")) == ["inst3"]
assert ids(list_instances.sync(client=tracker, state=InstanceState.STOPPED)) == []

# One of them.
inst1 = get_instance.sync("inst1", client=tracker)
assert isinstance(inst1, Instance), inst1
assert inst1.state is InstanceState.RUNNING
assert inst1.owner == "mockuser"
assert isinstance(inst1.first_seen, datetime)

# An error is a problem.
missing = get_instance.sync_detailed("none", client=tracker)
assert missing.status_code == 404
assert isinstance(missing.parsed, Problem), missing.parsed
assert (missing.parsed.type_, missing.parsed.status) == ("/problems/instance-not-found", 404)

# A hook is made, and read back without its secret.
url = os.environ["RECEIVER"]
hook = create_hook.sync(client=tracker, body=NewHook(url=url, kinds=[Kind.INSTANCE], mode=HookMode.LATEST))
assert isinstance(hook, Hook), hook
assert isinstance(hook.secret, str)
again = get_hook.sync(hook.id, client=tracker)
assert isinstance(again, Hook), again
assert not again.secret
assert (again.status, again.mode, again.format_) == (HookStatus.ACTIVE, HookMode.LATEST, CallbackFormat.JSON)
assert (again.signing, again.kinds) == (SigningAlgorithm.HMAC, [Kind.INSTANCE])

# It is tested while the feed is waited on.
with ThreadPoolExecutor() as threads:
    feed = threads.submit(list_changes.sync, client=tracker, since=cursor, type_="hook.test", wait=SECONDS - 10)
    tested = test_hook.sync(hook.id, client=tracker)
    changes = feed.result()
assert isinstance(tested, HookTest), tested
assert isinstance(changes, list), changes
assert [(change.id, change.type_) for change in changes] == [(tested.change, ChangeType.HOOK_TEST)]
whole = list_changes.sync(client=tracker, since="0", type_="hook.test", limit=1)
assert isinstance(whole, list) and [change.id for change in whole] == [tested.change], whole

# The receiver has it.
deadline = time.monotonic() + SECONDS
while True:
    done = list_deliveries.sync(hook.id, client=tracker, state=DeliveryState.DONE)
    assert isinstance(done, DeliveryList), done
    if done.deliveries:
        break
    assert time.monotonic() < deadline, "the test is not delivered"
    time.sleep(0.05)
assert done.deliveries[0].change.id == tested.change
assert done.deliveries[0].attempts[0].status == 204

# It is changed, given another secret, and deleted.
replaced = replace_hook.sync(hook.id, client=tracker, body=HookReplacement(url=url, description="pager"))
assert isinstance(replaced, Hook), replaced
assert (replaced.description, replaced.kinds, replaced.mode) == ("pager", [], HookMode.EVERY)
rotated = rotate_hook.sync(hook.id, client=tracker)
assert isinstance(rotated, Hook), rotated
assert isinstance(rotated.secret, str) and rotated.secret != hook.secret
assert delete_hook.sync_detailed(hook.id, client=tracker).status_code == 204
gone = get_hook.sync(hook.id, client=tracker)
assert isinstance(gone, Problem) and gone.type_ == "/problems/hook-not-found", gone

print(json.dumps({"secret": hook.secret, "change": tested.change}))
