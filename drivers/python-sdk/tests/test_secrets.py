"""Secrets: the words that stand for them, and for what is computed with them."""

import base64
import hashlib
import hmac
import unittest

from tracker_driver import Encoding, Hash, InvalidAccount, Output, Request, Scheme, secret
from tracker_driver.testing import Answer, Host

SECRET = "a b\"c<&'/\n"


def with_host(code, **host):
    return Host(user="mockuser", secrets={"password": SECRET, "key": "PEM"}, **host).run(code)[0]


class Placeholders(unittest.TestCase):
    def test_each_encoding_has_a_word_that_stands_for_the_secret_so_written(self):
        meant = {
            Encoding.RAW: SECRET,
            Encoding.BASIC: base64.b64encode(f"mockuser:{SECRET}".encode()).decode(),
            Encoding.JSON: "a b\\\"c<&'/\\n",
            Encoding.FORM: "a%20b%22c%3C%26%27%2F%0A",
            Encoding.XML: "a b&quot;c&lt;&amp;&apos;/&#10;",
            Encoding.QUERY: "a%20b%22c%3C%26%27%2F%0A",
        }
        self.assertEqual(set(meant), set(Encoding))
        words = set()
        for encoding, text in meant.items():
            word = with_host(lambda: secret.placeholder("password", encoding))
            words.add(word)
            # A digest is of what is sent.
            digest = with_host(lambda: secret.digest(Hash.SHA256, f"<{word}>", Output.HEX))
            self.assertEqual(Host.computed(digest), hashlib.sha256(f"<{text}>".encode()).hexdigest(), encoding)
        self.assertEqual(len(words), len(meant))

    def test_a_word_stands_in_headers_bodies_and_queries_as_it_is(self):
        def send():
            key = secret.placeholder("password", Encoding.QUERY)
            signature = secret.hmac("password", Hash.SHA1, ["text"], Output.BASE64_QUERY)
            Request.get("https://h/").query(Key=key, Signature=signature).send()
            return key, signature

        host = Host(secrets={"password": SECRET}, answers=[Answer(200)])
        (key, signature), seen = host.run(send)
        self.assertEqual(seen.sent[0].url, f"https://h/?Key={key}&Signature={signature}")
        self.assertTrue(Host.computed(seen.sent[0].url).endswith("%3D"), "escaped once")

    def test_what_is_not_set_is_none_or_for_the_operator(self):
        self.assertIsNone(with_host(lambda: secret.optional_placeholder("other", Encoding.RAW)))
        for use in (
            lambda: secret.placeholder("other", Encoding.RAW),
            lambda: secret.hmac("other", Hash.SHA1, ["text"], Output.HEX),
            lambda: secret.sign("other", Scheme.RS256, "text", Output.HEX),
            lambda: secret.matches("other", "text"),
        ):
            error = Host().fails(use)
            self.assertIsInstance(error, InvalidAccount)
            self.assertIn("`other`", error.message)


class Computed(unittest.TestCase):
    def test_an_hmac_is_chained_with_each_hash_in_each_form(self):
        for kind, name in ((Hash.SHA1, "sha1"), (Hash.SHA256, "sha256"), (Hash.SHA512, "sha512")):
            key = hmac.new(f"AWS4{SECRET}".encode(), b"day", name).digest()
            value = hmac.new(key, b"text", name).digest()
            plain = base64.b64encode(value).decode()
            for output, text in (
                (Output.HEX, value.hex()),
                (Output.BASE64, plain),
                (Output.BASE64URL, plain.replace("+", "-").replace("/", "_").rstrip("=")),
                (Output.BASE64_QUERY, plain.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")),
            ):
                word = with_host(lambda: secret.hmac("password", kind, ["day", b"text"], output, prefix="AWS4"))
                self.assertNotEqual(word, text, "the driver has a word, and not the value")
                self.assertEqual(Host.computed(word), text, (kind, output))

    def test_a_chain_is_a_list_of_messages(self):
        error = Host(secrets={"key": "k"}).fails(lambda: secret.hmac("key", Hash.SHA256, [], Output.HEX))
        self.assertIsInstance(error, InvalidAccount)
        for message in ("text", b"text"):
            with self.assertRaises(TypeError):
                secret.hmac("key", Hash.SHA256, message, Output.HEX)

    def test_a_digest_without_a_placeholder_is_the_digest_itself(self):
        for kind in Hash:
            word = with_host(lambda: secret.digest(kind, "text", Output.HEX))
            self.assertEqual(word, hashlib.new(kind.name.lower(), b"text").hexdigest())

    def test_what_is_computed_can_be_signed_again(self):
        def use(plain):
            digest = secret.digest(Hash.SHA1, secret.placeholder("password", Encoding.RAW), Output.HEX)
            return secret.hmac("key", Hash.SHA256, [Host.computed(digest) if plain else digest], Output.BASE64)

        self.assertEqual(with_host(lambda: use(plain=False)), with_host(lambda: use(plain=True)))

    def test_a_signature_depends_on_scheme_key_and_message(self):
        def sign(scheme, message):
            return Host.computed(with_host(lambda: secret.sign("key", scheme, message, Output.HEX)))

        first = sign(Scheme.RS256, "a")
        self.assertEqual((first, len(first)), (sign(Scheme.RS256, b"a"), 512))
        self.assertEqual(len({first, sign(Scheme.RS256, "b"), sign(Scheme.PS256, "a")}), 3)
        word = Host.placeholder("password", "RAW")
        self.assertEqual(sign(Scheme.PS256, word), sign(Scheme.PS256, SECRET), "it is of what will be sent")

    def test_a_signature_is_that_of_the_published_suite(self):
        # AWS's get-vanilla.
        signed = (
            "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/service/aws4_request\n"
            "bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63"
        )
        chain = ["20150830", "us-east-1", "service", "aws4_request", signed]
        host = Host(secrets={"password": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"})
        word, _ = host.run(lambda: secret.hmac("password", Hash.SHA256, chain, Output.HEX, prefix="AWS4"))
        self.assertEqual(Host.computed(word), "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")

    def test_a_poll_compares_a_secret_with_one_text(self):
        host = Host(secrets={"password": "p"})
        self.assertEqual(host.run(lambda: [secret.matches("password", "p") for _ in range(2)])[0], [True, True])
        self.assertIsInstance(host.fails(lambda: secret.matches("password", "q")), InvalidAccount)
        self.assertFalse(Host(secrets={"password": "p"}).run(lambda: secret.matches("password", "q"))[0])
