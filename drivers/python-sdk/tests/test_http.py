"""Requests and answers: what is sent, what a status means, and that no body ends early unseen."""

import unittest

from tracker_driver import (
    DriverError,
    Forbidden,
    InvalidAccount,
    Request,
    Throttled,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
)
from tracker_driver.testing import Answer, Host
from tracker_driver.urls import Url, encode_path, encode_query

# Sun, 06 Nov 1994 08:49:37 GMT.
NOW = 784_111_777_000


class Requests(unittest.TestCase):
    def test_a_request_carries_placeholders_and_an_answer_is_read(self):
        host = Host(secrets={"password": "s3cret"}, answers=[Answer(200, "[1, 2]")])
        url = "https://Example.com:443/a?b=c"
        numbers, seen = host.run(lambda: Request.get(url).query(d="e f").basic_auth().send().success().json().value)
        self.assertEqual(numbers, [1, 2])
        self.assertEqual((seen.sent[0].method, seen.sent[0].url), ("GET", "https://example.com/a?b=c&d=e%20f"))
        self.assertEqual(seen.sent[0].header("Authorization"), "Basic placeholder-basic-password-end")
        self.assertNotIn("s3cret", repr(seen))

    def test_bodies_say_what_they_are(self):
        host = Host(secrets={"key": "k"}, answers=[Answer(204), Answer(204)])
        post = lambda: Request.post("http://h/")  # noqa: E731
        host.run(lambda: (post().bearer("key").json({"a": 1}).send(), post().form({"a b": "c&d"}).send()))
        json, form = host.seen.sent
        self.assertEqual((json.body, json.header("content-type")), (b'{"a": 1}', "application/json"))
        self.assertEqual(json.header("authorization"), "Bearer placeholder-raw-key-end")
        self.assertEqual(form.body, b"a%20b=c%26d")
        self.assertTrue(form.header("content-type").startswith("application/x-www-form-urlencoded"))

    def test_a_secret_that_is_not_set_is_for_the_operator(self):
        error = Host().fails(lambda: Request.get("http://h/").bearer("token"))
        self.assertIsInstance(error, InvalidAccount)
        self.assertIn("`token`", error.message)

    def test_addresses_are_taken_apart_as_they_will_be_sent(self):
        def check(url, expected):
            try:
                parsed = Url.parse(url)
                found = f"{parsed.scheme} {parsed.authority} {parsed.path_and_query}"
            except InvalidAccount:
                found = None
            self.assertEqual(found, expected, url)

        check("https://EC2.example.com", "https ec2.example.com /")
        check("https://h:443/a/b?c=d#e", "https h /a/b?c=d")
        check("http://h:443/", "http h:443 /")
        check("HTTP://127.0.0.1:5000", "http 127.0.0.1:5000 /")
        check("http://[::1]:80?x", "http [::1] /?x")
        for url in ("unix:/var/run/x.sock", "ftp://h/", "http://", "http://:80/", "http://me:pw@h/", "http://h/a b"):
            check(url, None)
        check("http://h\r\nx/", None)

    def test_escapes_are_those_of_rfc_3986(self):
        self.assertEqual(encode_query([("a b", "1/2=é"), ("c", "~-._")]), "a%20b=1%2F2%3D%C3%A9&c=~-._")
        self.assertEqual(encode_path("/a b/ü"), "/a%20b/%C3%BC")


class Statuses(unittest.TestCase):
    def error(self, status, headers=None, body=b"<b>\n no"):
        host = Host(now=NOW, answers=[Answer(status, body, headers or {})])
        return host.fails(lambda: Request.get("http://h/x?key=1").send().success())

    def test_each_status_has_its_meaning(self):
        def check(status, kind, headers=None, retry_after=None):
            error = self.error(status, headers)
            self.assertIs(type(error), kind, error)
            self.assertEqual(error.message, f"GET http://h/x answered {status}: <b> no")
            self.assertEqual(getattr(error, "retry_after", None), retry_after, headers)

        check(401, Unauthorized)
        check(403, Forbidden)
        check(404, UnexpectedAnswer)
        check(500, Unavailable)
        check(502, Unavailable)
        check(503, Unavailable)
        check(429, Throttled)
        check(429, Throttled, {"Retry-After": " 7 "}, 7)
        check(503, Throttled, {"retry-after": "Sun, 06 Nov 1994 08:50:07 GMT"}, 30)
        check(503, Throttled, {"retry-after": "Sunday, 06-Nov-94 08:50:07 GMT"}, 30)
        check(503, Throttled, {"retry-after": "Sun, 06 Nov 1994 08:00:00 GMT"}, 0)
        check(503, Throttled, {"retry-after": "soon"})
        check(429, Throttled, {"retry-after": "9" * 5000}, 2**32 - 1)

    def test_a_redirect_is_named_and_not_followed(self):
        error = self.error(302, {"Location": "https://login.example/"})
        self.assertIsInstance(error, UnexpectedAnswer)
        self.assertIn("`https://login.example/`", error.message)

    def test_a_message_is_bounded_whatever_comes(self):
        self.assertLess(len(self.error(500, body=b"x" * 100_000).message), 400)
        host = Host(answers=[Answer(500, "half", broken="reset")])
        error = host.fails(lambda: Request.get("http://h/").send().success())
        self.assertEqual(error.message, "GET http://h/ answered 500: half")


class Bodies(unittest.TestCase):
    def read(self, answer, read=lambda response: response.json().value):
        return Host(answers=[answer]).fails(lambda: read(Request.get("http://h/x?key=1").send()))

    def test_a_body_shorter_than_it_said_is_an_error_and_not_an_end(self):
        error = self.read(Answer(200, "[1, 2]", {"Content-Length": "10"}))
        self.assertIsInstance(error, Unavailable)
        self.assertEqual(error.message, "GET http://h/x: the answer broke off: 6 bytes came of 10")
        error = self.read(Answer(200, "[1, 2]", broken="the connection broke off"))
        self.assertIsInstance(error, Unavailable)
        self.assertTrue(error.message.startswith("GET http://h/x: the answer broke off"), error.message)
        # What was unpacked on the way is longer, or shorter, than what was sent.
        answer = Answer(200, "[1, 2]", {"Content-Length": "10", "Content-Encoding": "gzip"})
        self.assertEqual(Host(answers=[answer]).run(lambda: Request.get("http://h/").send().json().value)[0], [1, 2])

    def test_a_body_that_is_too_large_is_not_read_to_its_end(self):
        error = self.read(Answer(200, b"x" * 1000, piece=10), lambda response: response.bytes(most=100))
        self.assertIsInstance(error, UnexpectedAnswer)
        self.assertIn("more than 100 bytes", error.message)

    def test_no_answer_at_all_is_unavailable(self):
        error = Host().fails(lambda: Request.get("http://h/x?key=1").send())
        self.assertIsInstance(error, Unavailable)
        self.assertTrue(error.message.startswith("GET http://h/x: "), error.message)
        self.assertNotIn("key", error.message)

    def test_json_that_breaks_off_is_told_from_what_is_none(self):
        document = '{"a": [1, -2.5e-3, true, false, null, "b\\u00e9\\"\u00fc"], "c": {}}'.encode()
        self.assertEqual(Host(answers=[Answer(200, document)]).run(self.value)[0]["a"][5], 'bé"ü')
        for length in range(1, len(document)):
            self.assertIsInstance(self.read(Answer(200, document[:length])), Unavailable, document[:length])
        for body in (b"", b" \n", b"<html>", b"{'a': 1}", b"[1 2]", b"\xff\xfe", b"[1]]", b'["\\x"]  ' + b"x" * 9):
            self.assertIsInstance(self.read(Answer(200, body)), UnexpectedAnswer, body)
        self.assertIsInstance(self.read(Answer(200, b"9" * 5000)), UnexpectedAnswer)
        self.assertIsInstance(self.read(Answer(200, b"[" * 200_000)), DriverError)

    def test_a_byte_order_mark_is_passed_over(self):
        self.assertEqual(Host(answers=[Answer(200, b"\xef\xbb\xbf[1]")]).run(self.value)[0], [1])
        self.assertIsInstance(self.read(Answer(200, b"\xef\xbb\xbf")), UnexpectedAnswer)
        self.assertIsInstance(self.read(Answer(200, b"\xef\xbb\xbf[1")), Unavailable)

    def test_half_characters_do_not_leave_a_driver(self):
        value = Host(answers=[Answer(200, r'{"a": "\ud83d\ude00 \ud83d"}')]).run(self.value)[0]
        self.assertEqual(value["a"], "\U0001f600 \ufffd")

    @staticmethod
    def value():
        return Request.get("http://h/").send().json().value
