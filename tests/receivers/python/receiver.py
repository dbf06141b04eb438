"""A receiver of callbacks that trusts nothing of the tracker's: it verifies each with Standard Webhooks' own
Python package (or, for ed25519, which that does not know, with `cryptography`), and reads CloudEvents with the
package of that project. It answers 204 to what it verified, 400 to anything else.

It listens on a port of the loopback that the system gives it. Standard input has one JSON object a line, each a
hook that it is to know: {"path": "/x", "key": "whsec_... or whpk_...", "read": "json" or "cloudevents"}. Standard
output has one a line, too: {"listening": port}, {"knows": path}, and for each callback
{"path": ..., "id": ..., "taken": what was read} or {"path": ..., "id": ..., "refused": why}.
It ends with its standard input.
"""

import base64
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cloudevents.core.bindings import http as cloudevents
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError

PUBLIC = "whpk_"
# Of what the specification leaves open, what every tracker's event has.
ATTRIBUTES = ["id", "type", "source", "subject", "time", "sequence", "specversion"]
# How old a callback may be, in seconds: what Standard Webhooks recommends.
TOLERANCE = 300

hooks = {}
speaking = threading.Lock()


class Refused(Exception):
    """Why a callback is not taken."""


def say(what):
    with speaking:
        print(json.dumps(what), flush=True)


def verify(key, body, headers):
    """Passes, or raises what is wrong with the signature."""
    if not key.startswith(PUBLIC):
        Webhook(key).verify(body, headers, json_parse=False)
        return
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key[len(PUBLIC) :], validate=True))
    if abs(time.time() - int(headers["webhook-timestamp"])) > TOLERANCE:
        raise Refused("it is of another time")
    signed = b"%s.%s.%s" % (headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body)
    for signature in headers["webhook-signature"].split(" "):
        version, _, encoded = signature.partition(",")
        if version == "v1a":
            try:
                return public.verify(base64.b64decode(encoded, validate=True), signed)
            except InvalidSignature:
                continue
    raise Refused("no signature is this key's")


def read_json(body, headers):
    if headers["content-type"] != "application/json":
        raise Refused(f"{headers['content-type']} is not JSON")
    return json.loads(body)


def read_cloudevent(body, headers):
    """Its attributes and data, and in which of HTTP's modes it came."""
    if any(name.startswith("ce-") for name in headers):
        mode, named = "binary", {name[len("ce-") :] for name in headers}
    elif headers["content-type"].split(";")[0].strip() == "application/cloudevents+json":
        mode, named = "structured", set(json.loads(body))
    else:
        raise Refused(f"{headers['content-type']} is no CloudEvent")
    # The package makes up an id and a time where there is none.
    missing = [name for name in ATTRIBUTES if name not in named]
    if missing:
        raise Refused(f"it has no {' '.join(missing)}")
    event = cloudevents.from_http_event(cloudevents.HTTPMessage(headers, body))
    attributes = {name: event.get_extension(name) for name in ATTRIBUTES}
    attributes["time"] = event.get_time().isoformat()
    return {"mode": mode, "datacontenttype": event.get_datacontenttype(), **attributes, "data": event.get_data()}


READERS = {"json": read_json, "cloudevents": read_cloudevent}


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer in one segment waits for nobody's acknowledgement.
    wbufsize = -1

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        heard = {"path": self.path, "id": headers.get("webhook-id")}
        try:
            hook = hooks[self.path]
            verify(hook["key"], body, headers)
            heard["taken"] = READERS[hook["read"]](body, headers)
        # Whatever is wrong with a callback, its sender hears of it, and so does the test.
        except (Refused, WebhookVerificationError, LookupError, ValueError, TypeError) as error:
            heard["refused"] = f"{type(error).__name__}: {error}"
        say(heard)
        self.send_response(204 if "taken" in heard else 400)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Says nothing: what there is to say is on standard output."""


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
say({"listening": server.server_port})
for line in sys.stdin:
    hook = json.loads(line)
    hooks[hook["path"]] = hook
    say({"knows": hook["path"]})
