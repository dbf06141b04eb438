"""What is made of recorded answers, whole, cut off and others than expected."""

import json
import pathlib
import unittest

import answers
from tracker_driver import Complete, Fields, InstanceState, Partial, RealmState, Unavailable, UnexpectedAnswer
from tracker_driver.errors import read_json

BODIES = pathlib.Path(__file__).parent.parent / "cassettes" / "bodies"


def body(name):
    return (BODIES / name).read_bytes().rstrip()


def servers(content):
    return answers.servers(Fields(read_json(content)))


class Servers(unittest.TestCase):
    def test_a_server_is_read_to_its_last_field(self):
        page = servers(body("servers-page-1.json"))
        self.assertEqual((len(page.items), page.next, page.coverage), (4, "srv-1004", Complete()))
        first = page.items[0]
        self.assertEqual((first.id, first.name, first.realm), ("srv-1001", "web-1", "north-1"))
        self.assertEqual((first.image, first.hardware_profile), ("img-debian-13", "small"))
        self.assertEqual(first.launched_at, 1_793_607_300_000)
        self.assertEqual([address.value for address in first.public_addresses], ["203.0.113.10"])
        self.assertEqual(first.labels, [("role", "web"), ("team", "shop")])

    def test_every_state_is_mapped_and_no_other_is_guessed(self):
        for word, state in [*answers.STATES.items(), ("hibernating", InstanceState.UNKNOWN)]:
            found = answers.instance(Fields({"id": "srv-1", "status": word}))
            self.assertEqual((found.state, found.provider_state), (state, word))

    def test_a_list_that_is_not_whole_says_so(self):
        page = servers(body("servers-partial.json"))
        self.assertEqual(page.coverage, Partial("these zones did not answer: south-2"))

    def test_zones_are_realms(self):
        page = answers.zones(Fields(read_json(body("zones.json"))))
        found = [(realm.id, realm.state, realm.limit) for realm in page.items]
        self.assertEqual(found, [("north-1", RealmState.AVAILABLE, 50), ("south-2", RealmState.UNAVAILABLE, 20)])

    def test_an_answer_cut_off_anywhere_is_never_a_shorter_list(self):
        whole = body("servers-page-1.json")
        for length in range(len(whole)):
            with self.assertRaises((Unavailable, UnexpectedAnswer)):
                servers(whole[:length])

    def test_what_is_no_list_is_no_empty_list(self):
        for content in ("", "null", "[]", "{}", '{"servers": null}', '{"servers": [{"id": 7}]}', "<html>log in</html>"):
            with self.assertRaises(UnexpectedAnswer):
                servers(content.encode())

    def test_what_may_be_missing_may_be_missing(self):
        page = servers(json.dumps({"servers": [{"id": "srv-1", "status": "running"}]}).encode())
        self.assertEqual((page.items[0].name, page.items[0].labels, page.next), (None, [], None))
