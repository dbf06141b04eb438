"""The whole driver with the pretend host: what it sends, and what becomes of each answer."""

import pathlib
import unittest

from app import DigitalOcean
from tracker_driver import (
    Account,
    Complete,
    DriverError,
    Forbidden,
    InvalidAccount,
    Query,
    Throttled,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
)
from tracker_driver.testing import Answer, Host

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures"
# 2026-11-20T10:00:00Z.
NOW = 1_795_168_800_000
TOKEN = "dop_v1_not_a_real_token"
ACCOUNT = Account("main", "https://api.digitalocean.com", "me")


def answer(name, status=200, headers=None):
    return Answer(status, (FIXTURES / name).read_bytes(), headers or {})


def host(*answers):
    return Host(answers=answers, secrets={"password": TOKEN}, now=NOW)


def droplets(cursor=None):
    return DigitalOcean().list_instances(ACCOUNT, Query(cursor))


class Requests(unittest.TestCase):
    def test_it_describes_itself_the_same_each_time(self):
        description = DigitalOcean().describe()
        self.assertEqual((description, description.name), (DigitalOcean().describe(), "digitalocean"))
        self.assertEqual(description.endpoints, [provider.endpoint for provider in description.providers])

    def test_pages_are_asked_for_in_turn_with_the_token(self):
        def all_pages():
            first = droplets()
            return first.items + droplets(first.next).items, droplets

        world = host(answer("droplets-page-1.json"), answer("droplets-page-2.json"))
        (items, _), seen = world.run(all_pages)
        self.assertEqual([item.id for item in items], ["3164444", "3164470", "3164471", "3164472", "3164459"])
        base = "https://api.digitalocean.com/v2/droplets?per_page=200&page="
        self.assertEqual([sent.url for sent in seen.sent], [f"{base}1", f"{base}2"])
        for sent in seen.sent:
            self.assertEqual((sent.method, sent.body), ("GET", b""))
            self.assertEqual(sent.header("authorization"), "Bearer placeholder-raw-password-end")
        self.assertNotIn(TOKEN, repr(seen))

    def test_regions_are_realms(self):
        page, seen = host(answer("regions.json")).run(lambda: DigitalOcean().list_realms(ACCOUNT, Query()))
        self.assertEqual(([realm.id for realm in page.items], page.coverage), (["nyc3", "nyc1"], Complete()))
        self.assertEqual(seen.sent[0].url, "https://api.digitalocean.com/v2/regions?per_page=200&page=1")

    def test_an_account_without_a_token_is_named_as_that(self):
        error = Host().fails(droplets)
        self.assertIsInstance(error, InvalidAccount)


class Failures(unittest.TestCase):
    def test_each_status_has_its_meaning(self):
        def check(given, kind, *words):
            error = host(given).fails(droplets)
            self.assertIs(type(error), kind, error)
            for word in ("GET https://api.digitalocean.com/v2/droplets", *words):
                self.assertIn(word, error.message)
            return error

        unauthorized = "answered 401: unauthorized: Unable to authenticate you."
        check(answer("error-unauthorized.json", 401), Unauthorized, unauthorized)
        check(answer("error-forbidden.json", 403), Forbidden, "forbidden: You do not have access")
        check(Answer(401, "<html>log in</html>"), Unauthorized, "<html>log in</html>")
        check(Answer(404, '{"id": "not_found", "message": "No such thing."}'), UnexpectedAnswer, "not_found: No such")
        check(Answer(500, '{"id": "server_error", "message": "Unexpected"}'), Unavailable, "server_error: Unexpected")
        check(Answer(502), Unavailable, "answered 502")
        check(Answer(503), Unavailable, "answered 503")
        check(Answer(302, "", {"Location": "https://login.example/"}), UnexpectedAnswer, "https://login.example/")
        check(Answer(500, "x" * 100_000), Unavailable, "xxx...")

    def test_a_throttled_request_says_how_long(self):
        for headers, expected in (
            ({}, None),
            ({"RateLimit-Reset": "1795168930", "RateLimit-Remaining": "0"}, 130),
            ({"RateLimit-Reset": "1795168930", "Retry-After": "7"}, 7),
            ({"Retry-After": "Fri, 20 Nov 2026 10:00:30 GMT"}, 30),
        ):
            error = host(answer("error-too-many-requests.json", 429, headers)).fails(droplets)
            self.assertIsInstance(error, Throttled)
            self.assertEqual(error.retry_after, expected, headers)
            self.assertIn("too_many_requests: API Rate limit exceeded.", error.message)

    def test_a_success_that_is_none_is_an_error_that_says_what_came(self):
        for body, words in (
            ("", "empty"),
            ("<html><title>Log in</title></html>", "<title>Log in</title>"),
            ('{"droplets": [{"id": "x", "status": "new"}], "meta": {"total": 1}}', "`droplets[0].id`"),
        ):
            error = host(Answer(200, body)).fails(droplets)
            self.assertIsInstance(error, UnexpectedAnswer)
            self.assertIn(words, error.message)
            self.assertTrue(error.message.startswith("GET https://api.digitalocean.com/v2/droplets: "), error.message)

    def test_an_answer_that_breaks_off_is_no_list(self):
        whole = (FIXTURES / "droplets.json").read_bytes()
        for given in (
            Answer(200, whole, broken="the connection broke off"),
            Answer(200, whole[:-200], {"Content-Length": str(len(whole))}),
            Answer(200, whole[:-200]),
        ):
            self.assertIsInstance(host(given).fails(droplets), Unavailable)

    def test_no_failure_tells_the_token(self):
        for status in (200, 401, 429, 500):
            error = host(Answer(status, f"Bearer {Host.placeholder('password', 'RAW')}")).fails(droplets)
            self.assertIsInstance(error, DriverError)
            self.assertNotIn(TOKEN, error.message)
