"""Records, fields of JSON, dates, secrets and what becomes of mistakes."""

import hashlib
import hmac
import unittest

from tracker_driver import (
    Account,
    Address,
    Description,
    Driver,
    Encoding,
    Fields,
    Instance,
    InstanceState,
    InvalidAccount,
    Page,
    Partial,
    Query,
    Realm,
    RealmState,
    Throttled,
    UnexpectedAnswer,
    dates,
    export,
    log,
    secret,
    session,
)
from tracker_driver.errors import quote
from tracker_driver.testing import Host

ACCOUNT = Account("main", "https://api.cloud.example", "me", [("count", "12"), ("churn", "lots")])


class Records(unittest.TestCase):
    def test_options_are_found_parsed_or_named_in_the_error(self):
        self.assertEqual(ACCOUNT.parsed_option("count", int, "a number"), 12)
        self.assertIsNone(ACCOUNT.parsed_option("absent", int, "a number"))
        with self.assertRaises(InvalidAccount) as raised:
            ACCOUNT.parsed_option("churn", float, "a number")
        self.assertEqual(raised.exception.message, "the option `churn` is `lots`: it has to be a number")
        with self.assertRaises(InvalidAccount):
            ACCOUNT.required_option("region")

    def test_a_record_that_could_not_leave_is_refused_where_it_is_made(self):
        for wrong in (
            lambda: Instance(17, InstanceState.RUNNING, "active"),
            lambda: Instance("17", "RUNNING", "active"),
            lambda: Instance("17", InstanceState.RUNNING, None),
            lambda: Instance("17", InstanceState.RUNNING, "active", image=3),
            lambda: Instance("17", InstanceState.RUNNING, "active", launched_at=1.5),
            lambda: Instance("17", InstanceState.RUNNING, "active", labels=[("a", None)]),
            lambda: Realm("a", None, RealmState.AVAILABLE),
            lambda: Address.ipv4(None),
            lambda: Page.complete([]).followed_by(2),
        ):
            with self.assertRaises(TypeError):
                wrong()
        page = Page.complete([]).followed_by("2").partial("a zone is missing")
        self.assertEqual((page.next, page.coverage), ("2", Partial("a zone is missing")))

    def test_a_mistake_in_a_driver_is_named_with_its_place(self):
        class Careless(Driver):
            def describe(self):
                return Description("careless", "Careless", "0.1.0")

            def list_instances(self, account, query):
                return {}["servers"]

            def list_realms(self, account, query):
                raise Throttled("slow down", 3).during("GET /realms")

        self.assertIs(export(Careless), Careless)
        host = Host()
        error = host.fails(lambda: Careless().list_instances(ACCOUNT, Query()))
        self.assertIsInstance(error, UnexpectedAnswer)
        self.assertRegex(error.message, r"KeyError: 'servers' \(test_records.py, line \d+, in list_instances\)")
        self.assertEqual(len(host.seen.log), 1)
        error = host.fails(lambda: Careless().list_realms(ACCOUNT, Query()))
        self.assertEqual((error.message, error.retry_after), ("GET /realms: slow down", 3))

    def test_a_quotation_is_one_bounded_line(self):
        self.assertEqual(quote(b"<html>\r\n  <b>\tno</b>\0"), "<html> <b> no</b>")
        self.assertEqual(len(quote("a" * 5000)), 303)
        self.assertTrue(quote(b"\xff\xfex").endswith("x"))


class Reading(unittest.TestCase):
    def test_what_is_missing_or_of_another_kind_is_named_with_its_place(self):
        answer = Fields({"servers": [{"id": 1, "on": True, "tags": ["a"]}, {"id": "2", "tags": [1], "size": None}]})
        first, second = answer.objects("servers")
        self.assertEqual((first.integer("id"), first.boolean("on"), first.optional_texts("tags")), (1, True, ["a"]))
        self.assertEqual((second.text("id"), second.optional_object("size").optional_text("slug")), ("2", None))
        self.assertEqual((list(second.optional_objects("disks")), second.optional_pairs("labels")), ([], []))
        labels = Fields({"labels": {"b": "2", "a": "1"}, "odd": {"a": None}})
        self.assertEqual(labels.optional_pairs("labels"), [("a", "1"), ("b", "2")])

        def check(read, *words):
            with self.assertRaises(UnexpectedAnswer) as raised:
                read()
            for word in words:
                self.assertIn(word, raised.exception.message)

        check(lambda: first.text("id"), "`servers[0].id`", "a whole number where a text")
        check(lambda: first.integer("on"), "`servers[0].on`", "true or false where a whole number")
        check(lambda: second.text("size"), "no `servers[1].size`")
        check(lambda: second.optional_texts("tags"), "`servers[1].tags[0]`")
        check(lambda: labels.optional_pairs("odd"), "no `odd.a`")
        check(lambda: answer.objects("nodes"), "no `nodes`", "a list")
        check(lambda: list(Fields([1]).objects()), "`[0]`", "an object")
        check(lambda: Fields(None).text("a"), "the answer is null where an object")
        check(lambda: Fields({"a": "x" * 5000}).integer("a"), "...")

    def test_dates_are_read_in_their_variants(self):
        for text, expected in (
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-22T10:00:00.123Z", 1_795_341_600_123),
            ("2026-11-22T10:00:00.1234567Z", 1_795_341_600_123),
            ("2026-11-22 12:00:00.5+02:00", 1_795_341_600_500),
            ("2026-11-22T09:30:00-00:30", 1_795_341_600_000),
            ("2024-02-29T23:59:60Z", 1_709_251_199_000),
            ("2023-02-29T00:00:00Z", None),
            ("2026-11-22T25:00:00Z", None),
            ("2026-11-22T10:00:00", None),
            ("2026-11-22T10:00:00.Z", None),
            ("", None),
            (None, None),
        ):
            self.assertEqual(dates.parse_rfc3339(text), expected, text)
        for text in ("Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"):
            self.assertEqual(dates.parse_http_date(text), 784_111_777_000, text)
        for text in ("tomorrow", "Sun, 32 Nov 1994 08:49:37 GMT", "", "Sun, 06 Nov 1994 99:49:37 GMT"):
            self.assertIsNone(dates.parse_http_date(text), text)
        self.assertEqual(dates.from_seconds(1.5), 1500)


class Calls(unittest.TestCase):
    def test_a_secret_is_used_and_never_had(self):
        def use():
            words = [secret.placeholder("password", encoding) for encoding in Encoding]
            digests = [secret.digest_sha256(word.encode()) for word in words]
            return words, digests, secret.hmac_sha256("password", [b"day", b"text"], b"AWS4")

        (words, digests, signature), _ = Host(user="mockuser", secrets={"password": 'a b"c'}).run(use)
        self.assertEqual(len(set(words)), 4)
        meant = [b'a b"c', b"bW9ja3VzZXI6YSBiImM=", b'a b\\"c', b"a%20b%22c"]
        self.assertEqual(digests, [hashlib.sha256(text).digest() for text in meant])
        key = hmac.new(b'AWS4a b"c', b"day", hashlib.sha256).digest()
        self.assertEqual(signature, hmac.new(key, b"text", hashlib.sha256).digest())
        host = Host(secrets={"key": b"PEM"})
        signed, _ = host.run(lambda: [secret.sign_rs256("key", text) for text in (b"a", b"a", b"b")])
        self.assertEqual((signed[0] == signed[1], signed[0] == signed[2], len(signed[0])), (True, False, 256))
        self.assertIsNone(host.run(lambda: secret.optional_placeholder("other", Encoding.RAW))[0])
        self.assertIsInstance(host.fails(lambda: secret.hmac_sha256("key", [])), InvalidAccount)

    def test_a_session_and_a_log_are_kept(self):
        def use():
            known = session.get("token")
            session.put("token", b"new", 60)
            log.warn("it was old")
            return known, dates.now()

        host = Host(now=5, remembering={"token": b"old"})
        found, seen = host.run(use)
        self.assertEqual(found, (b"old", 5))
        self.assertEqual((seen.session, seen.log), ({"token": b"new"}, ["warn: it was old"]))
