//! Signatures from published and from invented examples.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64_URL;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};

use super::*;
use crate::driver::signing::{Scheme, rsa};
use crate::model::Timestamp;

/// "Create a signed AWS API request", of IAM.
#[test]
fn the_published_example_is_verified() {
    let headers = [
        ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
        ("x-amz-date", "20150830T123600Z"),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, \
             Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        ),
    ];
    let sent = |url: &str, body: &'static str| Asked {
        method: Method::GET,
        url: url.parse().expect(url),
        headers: headers
            .iter()
            .map(|(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value)))
            .collect::<HeaderMap>(),
        body: Bytes::from_static(body.as_bytes()),
    };
    let check = |sent: Asked, secret: &str, user: &str, at: &str, want: Result<(), &str>| {
        let credentials = Credentials {
            user,
            secrets: vec![secret],
            options: vec![],
            region: None,
            provider: "us-east-1",
            at: at.parse().expect(at),
        };
        match (verify(&sent, &credentials).expect("a signature"), want) {
            (Ok(()), Ok(())) => {}
            (Err(why), Err(want)) => assert!(why.contains(want), "{why} should say {want}"),
            (got, want) => panic!("{got:?}, and not {want:?}"),
        }
    };
    let good = "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08";
    let (secret, at) = ("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "2015-08-30T12:36:00Z");
    let elsewhere = "https://iam.eu-west-1.amazonaws.com/?Action=ListUsers&Version=2010-05-08";
    let service = "https://ec2.us-east-1.amazonaws.com/?Action=ListUsers&Version=2010-05-08";
    check(sent(good, ""), secret, "AKIDEXAMPLE", at, Ok(()));
    check(sent(elsewhere, ""), secret, "AKIDEXAMPLE", at, Err("the region"));
    check(sent(service, ""), secret, "AKIDEXAMPLE", at, Err("the service"));
    check(sent(good, ""), secret, "AKIDOTHER", at, Err("access key"));
    check(sent(good, ""), secret, "AKIDEXAMPLE", "2016-08-30T12:36:00Z", Err("its date"));
    check(sent(good, ""), "another", "AKIDEXAMPLE", at, Err("AWS's algorithm"));
    check(sent(good, "more"), secret, "AKIDEXAMPLE", at, Err("AWS's algorithm"));
}

const AT: &str = "2026-11-20T10:00:00Z";
const SECRET: &str = "a-made-up/secret+key";

/// The parts of a request, and its signature, computed from the documentation with another language's library.
struct Example {
    cloud: &'static str,
    method: Method,
    url: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
}

const EXAMPLES: [Example; 5] = [
    Example {
        cloud: "Tencent Cloud",
        method: Method::POST,
        url: "https://cvm.tencentcloudapi.com/",
        headers: &[
            ("content-type", "application/json; charset=utf-8"),
            ("x-tc-action", "DescribeInstances"),
            ("x-tc-timestamp", "1795168800"),
            (
                "authorization",
                "TC3-HMAC-SHA256 Credential=key-id/2026-11-20/cvm/tc3_request, \
                 SignedHeaders=content-type;host;x-tc-action, \
                 Signature=c535f6a94bd87b14e3584267c2f18364687c6d0d3401d5f57f186b80a2a41dba",
            ),
        ],
        body: "{\"Limit\": 20}",
    },
    Example {
        cloud: "Alibaba Cloud",
        method: Method::GET,
        url: "https://ecs.cn-hangzhou.aliyuncs.com/?RegionId=cn-hangzhou&MaxResults=100&NextToken=a%2Bb%20c",
        headers: &[
            ("x-acs-action", "DescribeInstances"),
            ("x-acs-version", "2014-05-26"),
            ("x-acs-signature-nonce", "7c1f"),
            ("x-acs-date", AT),
            ("x-acs-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (
                "authorization",
                "ACS3-HMAC-SHA256 Credential=key-id,SignedHeaders=host;x-acs-action;x-acs-content-sha256;\
                 x-acs-date;x-acs-signature-nonce;x-acs-version,\
                 Signature=e455884b760882e8f05b0566f8df75fba5e06bb8de348d06e3ab1bc430e32bef",
            ),
        ],
        body: "",
    },
    Example {
        cloud: "Alibaba Cloud",
        method: Method::GET,
        url: "https://ecs.aliyuncs.com/?AccessKeyId=key-id&Action=DescribeInstances&Format=JSON&RegionId=cn-hangzhou\
              &SignatureMethod=HMAC-SHA1&SignatureNonce=7c1f&SignatureVersion=1.0&Timestamp=2026-11-20T10%3A00%3A00Z\
              &Version=2014-05-26&NextToken=a%2Bb+c%2A~&Signature=FIOeeF1r5zISHA1C0rKm7ZfNN0c%3D",
        headers: &[],
        body: "",
    },
    Example {
        cloud: "CloudStack",
        method: Method::GET,
        url: "https://cloud.example/client/api?command=listVirtualMachines&response=json&page=1&pagesize=500\
              &keyword=web+server%2A&apiKey=key-id&signatureVersion=3&expires=2026-11-20T10%3A10%3A00%2B0000\
              &signature=HsiAy%2BDJyxflsDiYuoWf5OjH4X4%3D",
        headers: &[],
        body: "",
    },
    Example {
        cloud: "OVH",
        method: Method::GET,
        url: "https://eu.api.ovh.com/1.0/cloud/project/p1/instance?region=GRA11",
        headers: &[
            ("x-ovh-application", "key-id"),
            ("x-ovh-consumer", "consumer-key"),
            ("x-ovh-timestamp", "1795168800"),
            ("x-ovh-signature", "$1$fa2a47b94023afe8cf4ef37961bd415149808440"),
        ],
        body: "",
    },
];

impl Example {
    fn sent(&self) -> Asked {
        let header = |(name, value): &(&'static str, &'static str)| {
            (name.parse::<http::HeaderName>().expect("a name"), HeaderValue::from_static(value))
        };
        Asked {
            method: self.method.clone(),
            url: self.url.parse().expect(self.url),
            headers: self.headers.iter().map(header).collect(),
            body: Bytes::from_static(self.body.as_bytes()),
        }
    }
}

fn verified(sent: &Asked, (user, secret, at): (&str, &str, &str)) -> Result<(), String> {
    let credentials = Credentials {
        user,
        secrets: vec!["another", secret],
        options: vec![],
        region: None,
        provider: "main",
        at: at.parse().expect(at),
    };
    verify(sent, &credentials).expect("a signature")
}

#[test]
fn signatures_of_other_clouds_are_verified() {
    for example in EXAMPLES {
        let cloud = example.cloud;
        let own = ("key-id", SECRET, AT);
        assert_eq!(verified(&example.sent(), own), Ok(()), "{cloud}");
        let fails = |sent: &Asked, credentials, part: &str| {
            let why = verified(sent, credentials).expect_err(cloud);
            assert!(why.contains(part), "{cloud}: {why}");
        };
        let wrong = format!("{cloud}'s algorithm");
        fails(&example.sent(), ("key-id", "no such secret", AT), &wrong);
        fails(&example.sent(), ("key-id", SECRET, "2026-11-20T11:00:00Z"), "and it is 2026-11-20T11:00:00");
        if cloud != "OVH" {
            fails(&example.sent(), ("another-id", SECRET, AT), "is not the account's user");
        }
        // Whatever is sent is signed.
        let mut sent = example.sent();
        sent.url.query_pairs_mut().append_pair("more", "1");
        fails(&sent, own, &wrong);
        let mut sent = example.sent();
        sent.method = Method::PUT;
        if cloud != "CloudStack" {
            fails(&sent, own, &wrong);
        }
        if sent.url.query().is_none_or(|query| !query.contains("Signature")) && cloud != "CloudStack" {
            let mut sent = example.sent();
            sent.body = Bytes::from_static(b"another");
            fails(&sent, own, if cloud == "Alibaba Cloud" { "is not the digest of its body" } else { &wrong });
        }
    }
}

/// A JSON Web Token as a driver makes it, with a key and with another one.
#[test]
fn tokens_are_verified() {
    let key = include_str!("../../../../tests/data/rs256.pem");
    let encoded = |text: &str| BASE64_URL.encode(text);
    let at: Timestamp = AT.parse().expect(AT);
    let claims = encoded(&format!("{{\"iss\": \"demo\", \"exp\": {}}}", at.as_seconds() + 60));
    for (algorithm, scheme) in [("RS256", Scheme::Rs256), ("PS256", Scheme::Ps256)] {
        let message = format!("{}.{claims}", encoded(&format!("{{\"alg\": \"{algorithm}\"}}")));
        let sent = |message: &str, signed: &[u8]| Asked {
            method: Method::POST,
            url: "https://cloud.example/token".parse().expect("a URL"),
            headers: HeaderMap::new(),
            body: format!("client_assertion={message}.{}", BASE64_URL.encode(signed)).into(),
        };
        let mut signed = rsa(scheme, key, message.as_bytes()).expect("signed");
        assert_eq!(verified(&sent(&message, &signed), ("demo", key, AT)), Ok(()), "{algorithm}");
        let later = verified(&sent(&message, &signed), ("demo", key, "2026-11-20T10:02:00Z"));
        assert!(later.is_err_and(|why| why.contains("not valid at")), "{algorithm}");
        signed[7] ^= 1;
        let changed = verified(&sent(&message, &signed), ("demo", key, AT));
        assert!(changed.is_err_and(|why| why.contains("not signed with the account's secret")), "{algorithm}");
        let other = if scheme == Scheme::Rs256 { Scheme::Ps256 } else { Scheme::Rs256 };
        let signed = rsa(other, key, message.as_bytes()).expect("signed");
        assert!(verified(&sent(&message, &signed), ("demo", key, AT)).is_err(), "{algorithm} in the other way");
    }
}
