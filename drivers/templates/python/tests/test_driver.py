"""The whole driver with a pretend host around it: what it sends, and what becomes of each status."""

import pathlib
import unittest

from app import ENDPOINT, Cloud
from tracker_driver import Account, Forbidden, Query, Throttled, Unauthorized, Unavailable, UnexpectedAnswer
from tracker_driver.testing import Answer, Host

BODIES = pathlib.Path(__file__).parent.parent / "cassettes" / "bodies"
ACCOUNT = Account("main", ENDPOINT, "demo", [("project", "blue sky")])
TOKEN = "a token that nobody sees"


def host(*answers):
    return Host(answers=answers, secrets={"password": TOKEN})


def page(name):
    return Answer(200, (BODIES / name).read_bytes())


class Requests(unittest.TestCase):
    def test_it_describes_itself_the_same_each_time(self):
        self.assertEqual(Cloud().describe(), Cloud().describe())

    def test_pages_are_asked_for_in_turn_with_the_token(self):
        def both():
            first = Cloud().list_instances(ACCOUNT, Query())
            return first.items + Cloud().list_instances(ACCOUNT, Query(first.next)).items

        items, seen = host(page("servers-page-1.json"), page("servers-page-2.json")).run(both)
        self.assertEqual(len(items), 8)
        base = f"{ENDPOINT}/v1/servers?limit=100&project=blue%20sky"
        self.assertEqual([sent.url for sent in seen.sent], [base, f"{base}&after=srv-1004"])
        self.assertEqual(seen.sent[0].header("authorization"), "Bearer placeholder-raw-password-end")
        self.assertNotIn(TOKEN, repr(seen))

    def test_zones_are_asked_for(self):
        _, seen = host(page("zones.json")).run(lambda: Cloud().list_realms(ACCOUNT, Query()))
        self.assertEqual(seen.sent[0].url, f"{ENDPOINT}/v1/zones")


class Failures(unittest.TestCase):
    def test_each_status_has_its_meaning(self):
        for status, kind in (
            (401, Unauthorized),
            (403, Forbidden),
            (404, UnexpectedAnswer),
            (429, Throttled),
            (500, Unavailable),
            (503, Unavailable),
        ):
            error = host(Answer(status, "no")).fails(lambda: Cloud().list_instances(ACCOUNT, Query()))
            self.assertIs(type(error), kind)
            self.assertEqual(error.message, f"GET {ENDPOINT}/v1/servers answered {status}: no")

    def test_a_throttled_request_says_how_long(self):
        answer = Answer(429, "", {"Retry-After": "30"})
        error = host(answer).fails(lambda: Cloud().list_instances(ACCOUNT, Query()))
        self.assertEqual(error.retry_after, 30)

    def test_an_answer_that_breaks_off_is_no_list(self):
        answer = page("servers-page-1.json")
        answer.broken = "the connection broke off"
        error = host(answer).fails(lambda: Cloud().list_instances(ACCOUNT, Query()))
        self.assertIsInstance(error, Unavailable)
