"""Records, fields of JSON, dates and what becomes of mistakes."""

import unittest

from tracker_driver import (
    Account,
    Address,
    Description,
    Driver,
    EndpointRole,
    Features,
    Fields,
    Instance,
    InstanceState,
    InvalidAccount,
    Page,
    Partial,
    Provider,
    Query,
    Realm,
    RealmState,
    SecretKind,
    Throttled,
    UnexpectedAnswer,
    dates,
    export,
    log,
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
            lambda: Realm("a", "A", RealmState.AVAILABLE, -1),
            lambda: Page.complete([]).followed_by(2),
            lambda: Page.complete([]).partial(None),
            lambda: Page.complete([]).of_total("12"),
            lambda: Page.complete([]).of_total(-1),
            lambda: Page.complete([]).omitting(None),
            lambda: Page.complete([]).omitting(True),
            lambda: Page([], total=1.5),
        ):
            with self.assertRaises(TypeError):
                wrong()
        page = Page.complete([]).followed_by("2").partial("a zone is missing")
        self.assertEqual((page.next, page.coverage), ("2", Partial("a zone is missing")))

    def test_a_page_carries_the_total_and_what_was_left_out(self):
        page = Page.complete([])
        self.assertEqual((page.total, page.omitted), (None, 0))
        page.of_total(12).omitting(2)
        self.assertEqual((page.total, page.omitted), (12, 2))
        # Most providers say it on some pages, or never.
        self.assertIsNone(page.of_total(None).total)
        self.assertEqual(Page.delta([], ["i-1"]).of_total(3).total, 3)

    def test_an_account_has_an_endpoint_for_each_role_and_a_kind_of_secret(self):
        self.assertEqual((ACCOUNT.secret, ACCOUNT.secret_expires), (SecretKind.PASSWORD, None))
        self.assertIsNone(ACCOUNT.endpoint_of("compute"))
        account = Account(
            "main",
            "https://api.cloud.example",
            "me",
            endpoints=[("identity", "https://id.cloud.example"), ("compute", "https://cloud.example:8774/v2.1")],
            secret=SecretKind.ACCESS_TOKEN,
            secret_expires=1_795_341_600_000,
        )
        self.assertEqual(account.endpoint_of("compute"), "https://cloud.example:8774/v2.1")
        self.assertIsNone(account.endpoint_of("image"))

    def test_a_description_says_roles_kinds_of_secrets_and_features(self):
        plain = Description("plain", "Plain", "0.1.0")
        self.assertEqual((plain.roles, plain.secrets, plain.features), ([], [], Features.NONE))
        compute = EndpointRole("compute", "Where servers are listed.", required=True)
        whole = Description(
            "whole",
            "Whole",
            "0.1.0",
            providers=[Provider("main", "https://id.cloud.example/v3", [("compute", "https://compute.cloud.example")])],
            roles=[compute, EndpointRole("image", "Where images are named.")],
            secrets=[SecretKind.PASSWORD, SecretKind.ACCESS_TOKEN],
            features=Features.DELTA | Features.BY_ID,
        )
        self.assertEqual([role.required for role in whole.roles], [True, False])
        self.assertEqual(Provider("main", "https://cloud.example").endpoints, [])
        # The numbers are those of the contract's flags and enums: the host reads them.
        self.assertEqual((whole.features.value, [kind.value for kind in SecretKind]), (0b11, [0, 1, 2]))

    def test_a_query_may_name_instances(self):
        self.assertEqual(Query().ids, [])
        self.assertEqual(Query(ids=["i-1", "i-2"]), Query(None, None, ["i-1", "i-2"]))

    def test_an_address_is_of_the_kind_that_its_text_is(self):
        for text, expected in (
            ("192.0.2.1", Address.ipv4("192.0.2.1")),
            (" 2001:db8::1\n", Address.ipv6("2001:db8::1")),
            ("::ffff:192.0.2.1", Address.ipv6("::ffff:192.0.2.1")),
            ("web.example", Address.hostname("web.example")),
            ("192.0.2.256", Address.hostname("192.0.2.256")),
            ("192.0.2.01", Address.hostname("192.0.2.01")),
            ("192.0.2", Address.hostname("192.0.2")),
            ("192.0.2.1.", Address.hostname("192.0.2.1.")),
            ("fe80::1%eth0", Address.hostname("fe80::1%eth0")),
            ("2001:db8::1::2", Address.hostname("2001:db8::1::2")),
            ("", None),
            (" ", None),
            (None, None),
            ("0.0.0.0", None),
            ("::", None),
        ):
            self.assertEqual(Address.read(text), expected, text)

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
            ("2026-11-22T10:00:00+0000", 1_795_341_600_000),
            ("2026-11-22T09:30:00.000-0030", 1_795_341_600_000),
            ("2026-11-22T10:00:00+00", None),
            ("2026-11-22T10:00:00+00000", None),
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
