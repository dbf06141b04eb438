"""What answers mean: documented and recorded ones as they are, cut off at every byte, and others than expected."""

import json
import pathlib
import unittest

import answers
from tracker_driver import (
    AddressKind,
    Complete,
    Fields,
    InstanceState,
    Partial,
    RealmState,
    Unavailable,
    UnexpectedAnswer,
)
from tracker_driver.errors import read_json

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures"


def fixture(name):
    return (FIXTURES / name).read_bytes()


def droplets(body, place=None):
    return answers.page(Fields(read_json(body)), "droplets", answers.instance, place or answers.Place())


def droplet(**changes):
    """The first droplet of the documentation, with some of it changed; a member set to `...` is left out."""
    first = json.loads(fixture("droplets.json"))["droplets"][0] | changes
    return answers.instance(Fields({name: value for name, value in first.items() if value is not ...}))


def listing(items, total, following=False):
    links = {"pages": {"next": "https://elsewhere.example/v2/droplets?page=2"}} if following else {}
    return json.dumps({"droplets": items, "links": links, "meta": {"total": total}}).encode()


class Droplets(unittest.TestCase):
    def test_a_droplet_is_read_to_its_last_field(self):
        page = droplets(fixture("droplets.json"))
        self.assertEqual((len(page.items), page.next, page.coverage), (3, None, Complete()))
        first = page.items[0]
        self.assertEqual((first.id, first.name, first.realm), ("3164444", "example.com", "nyc3"))
        self.assertEqual((first.state, first.provider_state), (InstanceState.RUNNING, "active"))
        self.assertEqual((first.image, first.hardware_profile), ("ubuntu-20-04-x64", "s-1vcpu-1gb"))
        self.assertEqual(first.launched_at, 1_595_356_664_000)
        public = [(address.kind, address.value) for address in first.public_addresses]
        ipv6 = "2604:a880:0:1010::18a:a001"
        self.assertEqual(public, [(AddressKind.IPV4, "192.241.165.154"), (AddressKind.IPV6, ipv6)])
        self.assertEqual([address.value for address in first.private_addresses], ["10.128.192.124"])
        self.assertEqual(first.labels, [("web", ""), ("env:prod", "")])
        self.assertIsNone(first.owner)

    def test_an_answer_of_2014_is_read_too(self):
        [old] = droplets(fixture("droplets-2014.json")).items
        self.assertEqual((old.id, old.hardware_profile, old.labels), ("3164494", "512mb", []))

    def test_every_state_is_mapped_and_no_other_is_guessed(self):
        for word, state in (
            ("new", InstanceState.PENDING),
            ("active", InstanceState.RUNNING),
            ("off", InstanceState.STOPPED),
            ("archive", InstanceState.FINISH),
            ("migrating", InstanceState.UNKNOWN),
            ("", InstanceState.UNKNOWN),
        ):
            found = droplet(status=word)
            self.assertEqual((found.state, found.provider_state), (state, word))

    def test_what_may_be_missing_may_be_missing(self):
        bare = droplet(
            name=..., networks=..., region=None, image=None, size_slug=..., tags=None, created_at="yesterday"
        )
        self.assertEqual((bare.name, bare.realm, bare.image, bare.hardware_profile), (None, None, None, None))
        self.assertEqual((bare.launched_at, bare.labels, bare.public_addresses), (None, [], []))
        self.assertEqual(droplet(image={"id": 7, "slug": None}).image, "7")
        self.assertEqual(droplet(image={"id": 7, "slug": ""}).image, "7")
        odd = {"v4": [{"ip_address": "10.0.0.1", "type": "reserved"}, {"type": "public"}], "v6": None}
        self.assertEqual(droplet(networks=odd).public_addresses, [])

    def test_what_has_to_be_there_is_named_where_it_is_not(self):
        for changes, words in (
            ({"id": ...}, "`id`"),
            ({"id": "3164444"}, "`id`"),
            ({"id": True}, "`id`"),
            ({"status": ...}, "`status`"),
            ({"status": None}, "`status`"),
            ({"tags": [1]}, "`tags[0]`"),
            ({"networks": []}, "`networks`"),
            ({"networks": {"v4": ["10.0.0.1"]}}, "`networks.v4[0]`"),
        ):
            with self.assertRaises(UnexpectedAnswer) as raised:
                droplet(**changes)
            self.assertIn(words, raised.exception.message)


class Pages(unittest.TestCase):
    def test_pages_follow_one_another_to_a_complete_list(self):
        first = droplets(fixture("droplets-page-1.json"))
        self.assertEqual((len(first.items), first.coverage), (3, Complete()))
        place = answers.Place.of_cursor(first.next)
        self.assertEqual(place, answers.Place(page=2, listed=3, total=5))
        second = droplets(fixture("droplets-page-2.json"), place)
        self.assertEqual((len(second.items), second.next, second.coverage), (2, None, Complete()))

    def test_a_list_that_changed_while_it_was_read_is_partial(self):
        [one] = json.loads(fixture("droplets-2014.json"))["droplets"]
        # One fewer: the first of the second page may have slipped to the first page unseen.
        shrunk = droplets(listing([one], 4), answers.Place(2, 3, 5))
        self.assertIsInstance(shrunk.coverage, Partial)
        # It is not forgotten on the pages after that.
        middle = droplets(listing([one], 9, following=True), answers.Place(2, 3, 8))
        end = droplets(listing([one] * 5, 9), answers.Place.of_cursor(middle.next))
        self.assertIsInstance(end.coverage, Partial)

    def test_fewer_than_there_are_is_partial(self):
        self.assertEqual(droplets(listing([], 7)).coverage, Partial("0 droplets were listed of 7"))
        self.assertEqual(droplets(fixture("droplets-empty.json")).coverage, Complete())

    def test_an_empty_page_that_leads_on_is_no_list(self):
        with self.assertRaises(UnexpectedAnswer):
            droplets(listing([], 7, following=True))


class Others(unittest.TestCase):
    def test_an_answer_cut_off_anywhere_is_never_a_shorter_list(self):
        body = fixture("droplets-page-1.json")
        self.assertEqual(len(droplets(body.rstrip()).items), 3)
        for length in range(len(body.rstrip())):
            with self.assertRaises((Unavailable, UnexpectedAnswer)):
                droplets(body[:length])

    def test_what_is_no_list_is_no_empty_list(self):
        for body in (
            b"",
            b"null",
            b"[]",
            b"{}",
            b"17",
            b'{"droplets": null, "meta": {"total": 0}}',
            b'{"droplets": {}, "meta": {"total": 0}}',
            b'{"droplets": []}',
            b'{"droplets": [], "meta": null}',
            b'{"droplets": [], "meta": {"total": "0"}}',
            b'{"droplets": [null], "meta": {"total": 1}}',
            b'{"droplets": [], "meta": {"total": 0}, "links": []}',
            b'{"regions": [], "meta": {"total": 0}}',
            b"<html><body>Please log in</body></html>",
            b"\x1f\x8b\x08\x00garbage",
        ):
            with self.assertRaises(UnexpectedAnswer):
                droplets(body)

    def test_regions_are_available_where_that_is_said(self):
        answer = Fields(read_json(fixture("regions.json")))
        realms = answers.page(answer, "regions", answers.realm, answers.Place()).items
        found = [(realm.id, realm.name, realm.state) for realm in realms]
        self.assertEqual(
            found,
            [("nyc3", "New York 3", RealmState.AVAILABLE), ("nyc1", "New York 1", RealmState.UNAVAILABLE)],
        )
        for available in (None, ...):
            region = {"slug": "x"} | ({} if available is ... else {"available": available})
            self.assertEqual(answers.realm(Fields(region)).state, RealmState.UNAVAILABLE)

    def test_errors_are_quoted_in_their_own_words(self):
        self.assertEqual(
            answers.message(fixture("error-unauthorized.json")), "unauthorized: Unable to authenticate you."
        )
        self.assertEqual(answers.message(b'{"id": "", "message": "No"}'), "No")
        for body in (b"<html>", b"", b"[]", b'{"id": "x"}', b"\xff"):
            self.assertEqual(answers.message(body), body)

    def test_the_wait_is_until_the_oldest_request_is_forgotten(self):
        now = 1_795_168_800_000
        for reset, expected in (
            ("1795168930", 130),
            ("1795168800", 0),
            ("1795168799", None),
            ("1895168800", answers.LONGEST_WAIT),
            ("soon", None),
            ("", None),
            (None, None),
        ):
            self.assertEqual(answers.wait(reset, now), expected, reset)
