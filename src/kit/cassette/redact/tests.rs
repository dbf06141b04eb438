//! Redaction of difficult exchanges: a login and the requests after it, and bodies with secrets in every position.

use std::time::Duration;

use http::{Method, StatusCode};

use super::*;
use crate::kit::cassette::Outcome;

fn headers(listed: &[(&'static str, &'static str)]) -> HeaderMap {
    listed.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}

fn exchange(
    url: &str,
    request: (&[(&'static str, &'static str)], &str),
    answer: (&[(&'static str, &'static str)], &str),
) -> Exchange {
    Exchange {
        asked: Asked {
            method: Method::POST,
            url: Url::parse(url).expect(url),
            headers: headers(request.0),
            body: request.1.to_owned().into(),
        },
        outcome: Ok(Answered {
            status: StatusCode::OK,
            headers: headers(answer.0),
            body: answer.1.to_owned().into(),
            broken: false,
        }),
        took: Duration::ZERO,
    }
}

/// The exchanges as a cassette would have them.
fn kept(exchanges: &[Exchange]) -> Vec<(Request, Answer)> {
    let mut redactor = Redactor::default();
    exchanges.iter().for_each(|exchange| redactor.learn(exchange));
    let kept = |exchange: &Exchange| {
        let answered = exchange.outcome.as_ref().expect("answered");
        (redactor.request(&exchange.asked), redactor.answer(answered))
    };
    exchanges.iter().map(kept).collect()
}

const JWT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJkZW1vIn0.c2lnbmF0dXJlLW9mLWEtdG9rZW4";

#[test]
fn a_token_is_the_same_fake_wherever_it_goes() {
    let login = exchange(
        "https://a.example/login?api_key=abcdefghij",
        (
            &[("content-type", "application/json"), ("authorization", "Basic {{password as basic}}"), ("date", "x")],
            r#"{"auth": {"user": "u", "password": "{{password as json}}"}}"#,
        ),
        (
            &[
                ("x-subject-token", "gAAAAA-subject/token=="),
                ("set-cookie", "sid=cookie-value-1; Path=/; HttpOnly"),
                ("date", "Fri"),
                ("x-request-id", "1"),
                ("link", "<https://a.example/list?page=2>"),
            ],
            &format!(r#"{{"access_token": "ya29.opaque/value", "token_type": "Bearer", "jwt_in_text": "x {JWT} y"}}"#),
        ),
    );
    let list = exchange(
        "https://a.example/list/ya29.opaque%2Fvalue?token=ya29.opaque/value&page=2&X-Amz-Signature=0f0f&q=1",
        (
            &[
                ("authorization", "Bearer ya29.opaque/value"),
                ("x-auth-token", "gAAAAA-subject/token=="),
                ("cookie", "sid=cookie-value-1"),
                ("accept", "application/json"),
                ("user-agent", "anything"),
                ("x-api-version", "2"),
            ],
            "",
        ),
        (&[], r#"{"next": "https://a.example/list?token=ya29.opaque%2Fvalue", "items": []}"#),
    );
    let signed = exchange(
        "https://a.example/",
        (
            &[("authorization", "AWS4-HMAC-SHA256 Credential=AKIA/x, Signature=0123456789abcdef0123456789abcdef")],
            &format!("grant_type=jwt&assertion={}", JWT.replace("c2ln", "b3Ro")),
        ),
        (&[], "<a/>"),
    );
    let kept = kept(&[login, list, signed]);
    let shown = |headers: &HeaderMap| -> Vec<String> {
        let mut shown: Vec<_> = headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().expect("text"))).collect();
        shown.sort();
        shown
    };
    let (request, answer) = &kept[0];
    assert_eq!(request.url.as_str(), "https://a.example/login?api_key=*");
    assert_eq!(
        shown(&request.headers),
        ["authorization: Basic {{password as basic}}", "content-type: application/json"]
    );
    let body = request.body.as_ref().expect("kept").bytes();
    assert_eq!(body, r#"{"auth":{"password":"{{password as json}}","user":"u"}}"#);
    assert_eq!(
        shown(&answer.headers),
        [
            "link: <https://a.example/list?page=2>",
            "set-cookie: sid=fake-token-2; Path=/; HttpOnly",
            "x-subject-token: fake-token-1"
        ]
    );
    let body = answer.body.bytes();
    assert_eq!(body, r#"{"access_token":"fake-token-3","jwt_in_text":"x fake-token-4 y","token_type":"Bearer"}"#);

    let (request, answer) = &kept[1];
    let url = "https://a.example/list/fake-token-3?token=fake-token-3&page=2&X-Amz-Signature=*&q=1";
    assert_eq!(request.url.as_str(), url);
    assert_eq!(
        shown(&request.headers),
        [
            "accept: application/json",
            "authorization: Bearer fake-token-3",
            "cookie: sid=fake-token-2",
            "x-api-version: 2",
            "x-auth-token: fake-token-1",
        ]
    );
    assert!(request.body.is_none());
    let body = answer.body.bytes();
    assert_eq!(body, r#"{"items":[],"next":"https://a.example/list?token=fake-token-3"}"#);

    // What is computed anew each time can't be compared, and is not kept.
    let (request, _) = &kept[2];
    assert!(request.headers.is_empty() && request.body.is_none(), "{request:?}");
}

#[test]
fn nasty_bodies_are_stripped() {
    let check = |kind: &'static str, body: &str, want: &str| {
        let exchange = exchange("https://a.example/", (&[], ""), (&[("content-type", kind)], body));
        let answer = kept(&[exchange]).remove(0).1;
        assert_eq!(String::from_utf8_lossy(&answer.body.bytes()), want);
    };
    let json = "application/json";
    check(json, r#"{"a": {"Password": "hunter2hunter2"}}"#, r#"{"a":{"Password":"fake-token-1"}}"#);
    check(json, r#"{"password": "short", "x": "short"}"#, r#"{"password":"fake","x":"short"}"#);
    check(json, r#"{"admin_pass": 123456, "pin": 1}"#, r#"{"admin_pass":0,"pin":1}"#);
    check(json, r#"{"token": null, "secret": true}"#, r#"{"secret":true,"token":null}"#);
    check(json, r#"{"token": {"methods": ["password"], "id": "x"}}"#, r#"{"token":{"id":"x","methods":["password"]}}"#);
    check(json, r#"{"secrets": ["aaaaaaaaaa", "bb"]}"#, r#"{"secrets":["fake-token-1","fake"]}"#);
    check(json, r#"{"nextToken": "abcdefghijkl"}"#, r#"{"nextToken":"abcdefghijkl"}"#);
    check(
        json,
        r#"{"token": "quo\"te-and-more", "x": "quo\"te-and-more"}"#,
        r#"{"token":"fake-token-1","x":"fake-token-1"}"#,
    );
    check(
        json,
        r#"[{"key": "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----"}]"#,
        r#"[{"key":"fake-token-1"}]"#,
    );
    check(json, r#"{"password": "[secret]"}"#, r#"{"password":"[secret]"}"#);
    check("text/plain", &format!("token={JWT}."), &format!("token={JWT}.").replace(JWT, "fake-token-1"));
    check("text/plain", "-----BEGIN PRIVATE KEY-----\ncut short", "fake-token-1");
    check("text/plain", "-----BEGIN CERTIFICATE-----\nopen", "-----BEGIN CERTIFICATE-----\nopen");
    check(
        "text/xml",
        "<r><SecretAccessKey>abc+def/ghi=</SecretAccessKey><keyName>abc</keyName></r>",
        "<r><SecretAccessKey>fake-token-1</SecretAccessKey><keyName>abc</keyName></r>",
    );
    check(
        "text/xml",
        "<Credentials>\n <x:SessionToken a='1'>long&amp;session</x:SessionToken></Credentials><y>long&amp;session</y>",
        "<Credentials>\n <x:SessionToken a='1'>fake-token-1</x:SessionToken></Credentials><y>fake-token-1</y>",
    );
    check(
        "text/xml",
        "<a token=\"abcdefghij\" id='1'/><b password='x'>",
        "<a token=\"fake-token-1\" id='1'/><b password='fake'>",
    );
    check("text/xml", "<nextToken>abcdefghij</nextToken>", "<nextToken>abcdefghij</nextToken>");
    check("text/xml", "<Token>abcdefghij", "<Token>fake-token-1");
    check("text/xml", "<Token", "<Token");
    check(
        "application/x-www-form-urlencoded",
        "access_token=a%2Fb%2Fc%2Fd%2Fe&expires=3",
        "access_token=fake-token-1&expires=3",
    );
    check("", "", "");
}

#[test]
fn a_trace_names_what_it_hides() {
    let seen = exchange(
        "https://a.example/",
        (&[("authorization", "Bearer {{password as raw}}"), ("x-signature", "0123456789abcdef0123")], ""),
        (&[("set-cookie", "a=b; Path=/"), ("date", "Fri")], r#"{"token": "abcdefghijkl"}"#),
    );
    let mut redactor = Redactor::default();
    redactor.learn(&seen);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        redactor.shown_headers(&seen.asked.headers),
        [pair("authorization", "Bearer {{password as raw}}"), pair("x-signature", "[hidden]")]
    );
    let answered = seen.outcome.as_ref().expect("answered");
    assert_eq!(redactor.shown_headers(&answered.headers), [pair("set-cookie", "[hidden]"), pair("date", "Fri")]);
    assert_eq!(redactor.shown_body(&answered.headers, &answered.body), r#"{"token":"fake-token-1"}"#);
    let outcome = Outcome::Answer(redactor.answer(answered));
    assert!(!format!("{outcome:?}").contains("abcdefghijkl"));
}

/// Whatever form an answer has, its secrets are not in what is kept of it, nor is anything else gone.
#[test]
fn secrets_are_found_in_every_form_of_an_answer() {
    const SECRET: &str = "s3cr3t-of-the/cloud+1";
    let json = format!(r#"{{"server": {{"name": "web-1"}}, "auth": {{"access_token": "{SECRET}", "kind": "x"}}}}"#);
    let in_a_text = serde_json::json!({"message": json, "id": 7}).to_string();
    let cut = |text: &str, end: &str| text[..text.find(end).expect("in it") + end.len()].to_owned();
    let texts = [
        json.clone(),
        format!("\u{feff}{json}"),
        cut(&json, SECRET),
        cut(&json, "cloud"),
        cut(&json, "\"kind"),
        format!("\u{feff}{}", cut(&json, SECRET)),
        format!("{json}\n{json}\n"),
        format!("\u{1e}{json}\n"),
        format!("callback({json});"),
        format!("{{}}\n{}", cut(&json, SECRET)),
        in_a_text.clone(),
        cut(&in_a_text, SECRET),
        serde_json::json!([{"log": in_a_text}]).to_string(),
        cut(&serde_json::json!([{"log": in_a_text}]).to_string(), SECRET),
        format!(r#"{{"web-1": 1, "token": "{SECRET}", "token": null}}"#),
        format!(r#"{{"web-1": 1, "token": "{SECRET}", "token": {{}}}}"#),
        format!(r#"[{{"secrets": ["{SECRET}", "{SECRET}"], "web-1": 1}}"#),
        format!(r#"{{"web-1": 1, "secrets": ["abcdefghijk", "{SECRET}""#),
        format!(r#"{{"web-1": 1, "body": "<a><Token>{SECRET}</Token></a>"}}"#),
        format!("<a n=\"web-1\"><Token><![CDATA[{SECRET}]]></Token></a>"),
        format!("<a n=\"web-1\"><Token>\n <![CDATA[{SECRET}]]>\n</Token></a>"),
        format!("<a n=\"web-1\"><Token><![CDATA[s]]>and<![CDATA[{SECRET}]]></Token></a>"),
        format!("<a n=\"web-1\"><Token><![CDATA[{SECRET}"),
        format!("<a n=\"web-1\"><x:Token a=\">\">{SECRET}</x:Token></a>"),
        format!("<a n=\"web-1\"><!-- token: {SECRET} --></a>"),
        format!("<?token value=\"web-1\" secret=\"{SECRET}\"?><a/>"),
        format!("<a n='web-1' token = '{SECRET}'/>"),
        format!("<html><input name=web-1 password={SECRET}></html>"),
        format!("name: web-1\npassword: {SECRET}\n"),
        format!("name = web-1\napi_key = \"{SECRET}\"\n"),
        format!("export NAME='web-1' API_KEY='{SECRET}'"),
        format!("{{name: 'web-1', secret_key: '{SECRET}'}}"),
        format!("{{'name' => 'web-1', 'token' => '{SECRET}'}}"),
        format!("X-Name: web-1\r\nAuthorization: Bearer {SECRET}\r\n\r\n"),
        format!("web-1 said {{\"code\": 1}} and token={SECRET}&x=1"),
    ];
    let pair = format!(r#"{{"n": "web-1", "env": [{{"name": "DB_PASSWORD", "value": "{SECRET}"}}, {{"name": "A"}}]}}"#);
    let turned = format!(r#"{{"n": "web-1", "env": [{{"value": "{SECRET}", "key": "DB_PASSWORD"}}]}}"#);
    let quoted = serde_json::json!({"message": pair, "id": 7}).to_string();
    let pairs = [
        pair.clone(),
        turned.clone(),
        quoted.clone(),
        cut(&pair, SECRET),
        cut(&turned, "DB_PASSWORD\""),
        cut(&quoted, SECRET),
        format!("callback({pair});"),
        format!("callback({turned});"),
        format!(r#"{{"n": "web-1", "metadata": [["zone", "a"], ["api_key", "{SECRET}"]]}}"#),
        format!(r#"{{"n": "web-1", "labels": [{{"key": "token", "value": "{SECRET}"}}]}}"#),
        format!("<a n=\"web-1\"><name>password</name>\n  <value>{SECRET}</value></a>"),
        format!("<a n=\"web-1\"><val><![CDATA[{SECRET}]]></val><key> password </key></a>"),
        format!("<a n=\"web-1\"><property name=\"password\" value=\"{SECRET}\"/></a>"),
        format!("<a n=\"web-1\"><property value='{SECRET}' name='password'/></a>"),
        format!("<a n=\"web-1\"><property type='x' name=\"password\">{SECRET}</property></a>"),
        format!("<a n=\"web-1\"><property name=\"password\">{SECRET}"),
        format!("env:\n- name: web-1\n  value: x\n- name: DB_PASSWORD\n  value: {SECRET}\n"),
        format!("env:\n- name: web-1\n- value: '{SECRET}'\n  name: DB_PASSWORD\n"),
    ];
    let texts = [&texts[..], &pairs].concat();
    let utf_16 = |text: &str, bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    for text in &texts {
        let latin_1 = [b"\"\xe9\xff\": 1 ", text.as_bytes()].concat();
        type Encode = fn(&str) -> Vec<u8>;
        let encoded: [(Vec<u8>, Encode); 5] = [
            (text.as_bytes().to_vec(), |part| part.as_bytes().to_vec()),
            (latin_1, |part| part.as_bytes().to_vec()),
            (utf_16(&format!("\u{feff}{text}"), u16::to_le_bytes), |part| {
                part.encode_utf16().flat_map(u16::to_le_bytes).collect()
            }),
            (utf_16(&format!("\u{feff}{text}"), u16::to_be_bytes), |part| {
                part.encode_utf16().flat_map(u16::to_be_bytes).collect()
            }),
            ([utf_16(&format!("\u{feff}{text}"), u16::to_le_bytes), vec![b'x']].concat(), |part| {
                part.encode_utf16().flat_map(u16::to_le_bytes).collect()
            }),
        ];
        for (body, part) in encoded {
            let mut exchange = exchange("https://a.example/", (&[], ""), (&[], ""));
            if let Ok(answered) = &mut exchange.outcome {
                answered.body = body.clone().into();
            }
            let kept = kept(&[exchange]).remove(0).1.body.bytes();
            let has = |what: &str| memchr::memmem::find(&kept, &part(what)).is_some();
            let shown = String::from_utf8_lossy(&kept);
            assert!(!has("s3cr3t") && !has("cloud") && has("fake-token-1"), "{text}\n{shown}");
            assert!(has("web-1"), "{text}\n{shown}");
        }
    }
}

/// What only looks like a name with a value, or is none, stays, and nothing is too odd to be read.
#[test]
fn odd_texts_are_read_and_stay() {
    for text in [
        "a == b ::: c := d =",
        "<a xmlns:token='' ticket:b=\"\"><ticket:c/></a>",
        "https://a.example/b:c?d=e",
        "\"token\"",
        "\"token\":",
        r#"[{"name":"web-1","value":"a"},{"key":"token-bucket","value":"b"},{"name":"token"},{"value":"c"}]"#,
        r#"{"name":"token","id":"d","size":3} {"name":"token","kind":"e"}"#,
        "<a><name>web-1</name><value>a</value></a><b><name>token</name><id>b</id></b><c name='token' id='c'/>",
        "name: web-1\nvalue: a\nkind: b\nname: token\nid: c\n",
        "{\"token\": {\"id\": 1}, \"secret\": [",
        "token\u{e9}=",
        "'\"'\"\\'\\\"\\\\'\\\\\"",
        "<Token/><Token></Token><Token> </Token><Token",
        "<token a=\"",
        r#"{"a":"the 'token': 'x' is odd, and \"secret\": \"y\"","b":1}"#,
        "\u{1f600}=\u{1f600}:\u{1f600}",
    ] {
        let mut exchange = exchange("https://a.example/", (&[], ""), (&[], text));
        if let Ok(answered) = &mut exchange.outcome {
            answered.body = Bytes::from(text.to_owned());
        }
        assert_eq!(kept(&[exchange]).remove(0).1.body.bytes(), text);
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read(body in proptest::collection::vec(
        proptest::prop_oneof![
            proptest::sample::select(&b"\"'\\:=<>[]{}, token&\xc3\xa9\xff\x00"[..]),
            proptest::prelude::any::<u8>(),
        ], 0..60))
    {
        let mut exchange = exchange("https://a.example/", (&[], ""), (&[], ""));
        if let Ok(answered) = &mut exchange.outcome {
            answered.body = body.into();
        }
        kept(&[exchange]);
    }
}
