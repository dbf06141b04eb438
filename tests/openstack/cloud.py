"""A small OpenStack: Keystone, Placement and Nova, each a process that ends with a signal.

`cloud.py make FOLDER` makes their databases and keys, which a test copies. `cloud.py SERVICE PORTS..` runs one of them
in such a folder; the ports are those of Keystone, Placement and Nova. Nova is its API, scheduler, conductor and compute
service, with the fake hypervisor. For Neutron and Glance it has the stand-ins of its own functional tests.
"""

import contextlib
import os
import pathlib
import sqlite3
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
SERVICES = ["keystone", "placement", "nova"]
PASSWORD = "open sesame"
# By which the compute service knows its host again. The fake hypervisor would take another one at each start.
NODE = "6f2ad4c0-6d55-4c60-9b66-6a2b4b4b6f11"


def configure(ports):
    urls = {
        "KEYSTONE": f"http://127.0.0.1:{ports['keystone']}/v3",
        "PLACEMENT": f"http://127.0.0.1:{ports['placement']}",
        "PASSWORD": PASSWORD,
    }
    for service in SERVICES:
        text = (HERE / f"{service}.conf").read_text()
        for word, value in urls.items():
            text = text.replace(f"= {word}\n", f"= {value}\n")
        pathlib.Path(f"{service}.conf").write_text(text)
    return urls["KEYSTONE"]


def manage(program, *arguments):
    path = pathlib.Path(sys.executable).with_name(f"{program}-manage")
    subprocess.run([path, "--config-file", f"{program}.conf", *arguments], check=True)


def make(folder):
    os.makedirs(folder)
    os.chdir(folder)
    for name in ["fernet-keys", "credential-keys", "state", "locks"]:
        os.mkdir(name, mode=0o700)
    pathlib.Path("state/compute_id").write_text(NODE)
    # These ports are of no service yet.
    configure({"keystone": 1, "placement": 2})
    manage("keystone", "db_sync")
    for keys in ["fernet_setup", "credential_setup"]:
        manage("keystone", keys, "--keystone-user", str(os.getuid()), "--keystone-group", str(os.getgid()))
    manage("placement", "db", "sync")
    manage("nova", "api_db", "sync")
    manage("nova", "cell_v2", "map_cell0", "--database_connection", "sqlite:///nova_cell0.sqlite?timeout=30")
    manage("nova", "cell_v2", "create_cell", "--name", "cell1")
    manage("nova", "db", "sync")
    for path in pathlib.Path().glob("*.sqlite"):
        # Nobody who reads waits for one who writes.
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA journal_mode = WAL")


def keystone(url):
    manage("keystone", "bootstrap", "--bootstrap-password", PASSWORD, "--bootstrap-region-id", "here",
           *[f"--bootstrap-{interface}-url={url}" for interface in ["admin", "internal", "public"]])
    os.environ["OS_KEYSTONE_CONFIG_DIR"] = os.getcwd()
    from keystone.wsgi import api
    return api.application


def placement(_url):
    os.environ["OS_PLACEMENT_CONFIG_DIR"] = os.getcwd()
    from placement.wsgi import api
    turn = threading.Lock()

    def in_turn(environ, start_response):
        """Its transactions read before they write, for which SQLite lets nobody else write meanwhile."""
        with turn:
            return list(api.application(environ, start_response))

    return in_turn


class Stubs:
    """What the stand-ins expect of the test that they are for."""

    @staticmethod
    def flags(group=None, **values):
        from nova.conf import CONF
        for name, value in values.items():
            CONF.set_override(name, value, group)

    @staticmethod
    def stub_out(name, value):
        from oslo_utils import importutils
        owner, attribute = name.rsplit(".", 1)
        setattr(importutils.import_any(owner) if owner.islower() else importutils.import_class(owner), attribute, value)

    @staticmethod
    def useFixture(fixture):
        fixture.setUp()
        return fixture


def networks(fixtures):
    class Networks(fixtures.NeutronFixture):
        """In which each port is of the project that asks for it, and has addresses of its own."""

        def create_port(self, body=None):
            port = self._ports[super().create_port(body)["port"]["id"]]
            port["tenant_id"] = body["port"]["tenant_id"]
            port["fixed_ips"] = [{"ip_address": f"192.168.1.{len(self._ports)}", "subnet_id": self.subnet_1["id"]}]
            return {"port": dict(port)}

        def list_floatingips(self, retrieve_all=True, **params):
            fixed = params.get("fixed_ip_address", "")
            floating = {"floating_ip_address": fixed.replace("192.168.1.", "203.0.113."), "fixed_ip_address": fixed}
            return {"floatingips": [floating] if fixed.startswith("192.168.1.") else []}

    return Networks(Stubs)


def nova(_url):
    os.environ["OS_NOVA_DISABLE_EVENTLET_PATCHING"] = "true"
    # What came with the package, and what is here.
    paste = pathlib.Path(sys.prefix, "etc/nova/api-paste.ini")
    os.environ["OS_NOVA_CONFIG_FILES"] = f"{paste};{pathlib.Path('nova.conf').absolute()}"
    from nova import monkey_patch
    monkey_patch.patch(backend="threading")
    from nova.api.openstack import wsgi_app
    application = wsgi_app.init_application("osapi_compute", "nova-api")

    import os_vif
    from nova import context, service
    from nova.compute import rpcapi as compute
    from nova.conductor import rpcapi as conductor
    from nova.objects import host_mapping
    from nova.scheduler import rpcapi as scheduler
    from nova.tests import fixtures
    from oslo_utils.fixture import uuidsentinel
    uuidsentinel.node_metal = NODE
    os_vif.initialize()
    # A database has one writer at a time.
    for fixture in [fixtures.DatabaseWriteLock(), fixtures.GlanceFixture(Stubs), networks(fixtures)]:
        fixture.setUp()
    for name, module in [("conductor", conductor), ("scheduler", scheduler), ("compute", compute)]:
        other = getattr(module, "RPC_TOPIC_ALT", None)
        service.Service.create(binary=f"nova-{name}", topic=module.RPC_TOPIC, topic_alt=other).start()
    host_mapping.discover_hosts(context.get_admin_context())
    return application


def serve(service, ports):
    url = configure(ports)
    sys.argv = [service]
    application = globals()[service](url)
    from werkzeug import serving
    handler = type("Handler", (serving.WSGIRequestHandler,), {"protocol_version": "HTTP/1.1"})
    serving.make_server("127.0.0.1", ports[service], application, threaded=True, request_handler=handler).serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2])
    else:
        serve(sys.argv[1], dict(zip(SERVICES, map(int, sys.argv[2:]))))
