//! The body of a callback: the change as its own JSON, or as a CloudEvent 1.0 in either of the two HTTP modes. Pure.
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md>

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{HeaderName, HeaderValue};
use serde::Serialize;

use crate::model::{Change, ChangeDocument, ChangeId, Cursor, Format, Subject, Timestamp};

const JSON: &str = "application/json";
/// An event as one JSON object, with attributes and data.
const STRUCTURED: &str = "application/cloudevents+json; charset=utf-8";

/// Characters that must be encoded in an attribute that is the value of a header (section 3.1.3.2 of the binding).
/// Non-ASCII characters are always encoded.
const NOT_IN_HEADER: AsciiSet = CONTROLS.add(b' ').add(b'"').add(b'%');
/// Characters that are not unreserved (RFC 3986, section 2.3), and could have another meaning within a path.
const NOT_IN_SEGMENT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A callback before it is signed.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) content_type: HeaderValue,
    /// The headers in addition to the content type and the signature.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Vec<u8>,
}

/// Writes a change for a hook. `public_url` is the host's own address as clients reach it, without a slash at the end.
/// `track_token` is the hook's token, which is only in the data: attributes are read, used for routing and logged on
/// the way.
pub(super) fn write(change: &Change, format: Format, public_url: &str, track_token: Option<&str>) -> Message {
    let document = change.document(public_url, track_token);
    let (content_type, headers, body) = match format {
        Format::Json => (JSON, Vec::new(), json(&document)),
        Format::CloudEvents => (STRUCTURED, Vec::new(), json(&CloudEvent::of(change, document, public_url))),
        Format::CloudEventsBinary => {
            let event = CloudEvent::of(change, document, public_url);
            (JSON, event.headers(), json(&event.data))
        }
    };
    Message { content_type: HeaderValue::from_static(content_type), headers, body }
}

fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("invariant: a change is written without fail")
}

/// An event, in the JSON format of CloudEvents 1.0.
#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    /// Unique everywhere, and so within its source.
    id: ChangeId,
    source: String,
    #[serde(rename = "type")]
    event_type: String,
    subject: String,
    time: Timestamp,
    datacontenttype: &'static str,
    /// The `sequence` extension: the place in the journal, which sorts as text.
    sequence: Cursor,
    data: ChangeDocument<'a>,
}

impl<'a> CloudEvent<'a> {
    fn of(change: &Change, document: ChangeDocument<'a>, public_url: &str) -> CloudEvent<'a> {
        let segment = |text: &'a str| utf8_percent_encode(text, &NOT_IN_SEGMENT);
        let (driver, provider) = (segment(document.driver), segment(document.provider));
        CloudEvent {
            specversion: "1.0",
            id: change.id,
            source: format!("{public_url}/api/drivers/{driver}/providers/{provider}"),
            event_type: format!("tracker.{}", change.what.change_type),
            subject: subject(document.resource.kind, document.resource.id),
            time: change.timestamp,
            datacontenttype: JSON,
            sequence: change.cursor,
            data: document,
        }
    }

    /// Each attribute as a header, for the binary mode. The type of the data has no separate header: it is the content
    /// type.
    fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        let header = |name, value: &str| {
            let value = utf8_percent_encode(value, &NOT_IN_HEADER).to_string();
            let value = HeaderValue::try_from(value).expect("invariant: what is percent-encoded is visible ASCII");
            (HeaderName::from_static(name), value)
        };
        vec![
            header("ce-specversion", self.specversion),
            header("ce-id", &self.id.to_string()),
            header("ce-source", &self.source),
            header("ce-type", &self.event_type),
            header("ce-subject", &self.subject),
            header("ce-time", &self.time.to_string()),
            header("ce-sequence", &self.sequence.to_string()),
        ]
    }
}

/// The resource within its source. An id may contain code points that Unicode excludes from interchange and that an
/// attribute must not contain; the data has this id unchanged.
fn subject(kind: Subject, id: &str) -> String {
    let mut subject = kind.plural().map(|collection| format!("{collection}/")).unwrap_or_default();
    subject.extend(id.chars().map(|c| if is_noncharacter(c) { char::REPLACEMENT_CHARACTER } else { c }));
    subject
}

fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::{AccountKey, ChangeType, InstanceState, NewChange, RealmState, ResourceId, State, Subject};

    const PUBLIC_URL: &str = "https://tracker.example";
    const TOKEN: &str = "s3cret-t0ken";

    fn change() -> Change {
        Change {
            id: ChangeId(ulid::Ulid::from_string("01ARZ3NDEKTSV4RRFFQ69G5FAV").unwrap().0),
            cursor: Cursor { store: 0x5eed, sequence: 4711 },
            account: AccountKey { driver: "ec2".into(), provider: "us-east-1".into(), user: "AKIAEXAMPLE".into() },
            timestamp: Timestamp::from_millis(1_795_341_600_123),
            what: NewChange {
                change_type: ChangeType::InstanceState,
                subject: Subject::Instance,
                resource: ResourceId::parse("i-0abc").unwrap(),
                name: Some("web".into()),
                realm: Some("us-east-1a".into()),
                old_state: Some(State::Instance(InstanceState::Pending)),
                new_state: Some(State::Instance(InstanceState::Running)),
                observed_after: Some(Timestamp::from_millis(1_795_341_540_000)),
                observed_at: Timestamp::from_millis(1_795_341_600_100),
                passed_over: false,
                details: None,
            },
        }
    }

    fn read(message: &Message) -> Value {
        serde_json::from_slice(&message.body).unwrap()
    }

    fn header<'a>(message: &'a Message, name: &str) -> &'a str {
        let mut found = message.headers.iter().filter(|(header, _)| header == name);
        let value = found.next().unwrap_or_else(|| panic!("no {name}")).1.to_str().unwrap();
        assert!(found.next().is_none(), "{name} is there twice");
        value
    }

    /// The data, whatever the format.
    fn data() -> Value {
        json!({
            "id": "chg_01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "cursor": "00005eed0000000000001267",
            "type": "instance.state",
            "timestamp": "2026-11-22T10:00:00.123Z",
            "driver": "ec2",
            "provider": "us-east-1",
            "resource": {
                "kind": "instance", "id": "i-0abc", "name": "web", "realm": "us-east-1a",
                "href": "https://tracker.example/api/instances/i-0abc",
            },
            "old_state": "PENDING",
            "new_state": "RUNNING",
            "observed_after": "2026-11-22T09:59:00.000Z",
            "observed_at": "2026-11-22T10:00:00.100Z",
            "track_token": TOKEN,
        })
    }

    #[test]
    fn a_change_in_each_format() {
        let check = |format: Format, content_type: &str, headers: &[(&str, &str)], body: &Value| {
            let message = write(&change(), format, PUBLIC_URL, Some(TOKEN));
            assert_eq!(message.content_type, content_type);
            let got = message.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
            assert_eq!(got.collect::<Vec<_>>(), headers, "{format:?}");
            assert_eq!(&read(&message), body, "{format:?}");
        };
        check(Format::Json, "application/json", &[], &data());
        check(
            Format::CloudEvents,
            "application/cloudevents+json; charset=utf-8",
            &[],
            &json!({
                "specversion": "1.0",
                "id": "chg_01ARZ3NDEKTSV4RRFFQ69G5FAV",
                "source": "https://tracker.example/api/drivers/ec2/providers/us-east-1",
                "type": "tracker.instance.state",
                "subject": "instances/i-0abc",
                "time": "2026-11-22T10:00:00.123Z",
                "datacontenttype": "application/json",
                "sequence": "00005eed0000000000001267",
                "data": data(),
            }),
        );
        check(
            Format::CloudEventsBinary,
            "application/json",
            &[
                ("ce-specversion", "1.0"),
                ("ce-id", "chg_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
                ("ce-source", "https://tracker.example/api/drivers/ec2/providers/us-east-1"),
                ("ce-type", "tracker.instance.state"),
                ("ce-subject", "instances/i-0abc"),
                ("ce-time", "2026-11-22T10:00:00.123Z"),
                ("ce-sequence", "00005eed0000000000001267"),
            ],
            &data(),
        );
    }

    #[test]
    fn attributes_are_written_as_the_binding_says() {
        // An id, and its subject in the JSON format and as a header's value.
        let check = |id: &str, subject: &str, header_value: &str| {
            let mut change = change();
            change.what.resource = ResourceId::parse(id).unwrap();
            let structured = read(&write(&change, Format::CloudEvents, PUBLIC_URL, None));
            assert_eq!(structured["subject"], subject);
            assert_eq!(structured["data"]["resource"]["id"], id);
            let binary = write(&change, Format::CloudEventsBinary, PUBLIC_URL, None);
            assert_eq!(header(&binary, "ce-subject"), header_value);
        };
        check("i-0abc", "instances/i-0abc", "instances/i-0abc");
        // The specification's own example.
        check("Euro € 😀", "instances/Euro € 😀", "instances/Euro%20%E2%82%AC%20%F0%9F%98%80");
        check("\"100%\"", "instances/\"100%\"", "instances/%22100%25%22");
        check("a%20b", "instances/a%20b", "instances/a%2520b");
        check(
            "!#$&'()*+,/:;<=>?@[\\]^_`{|}~",
            "instances/!#$&'()*+,/:;<=>?@[\\]^_`{|}~",
            "instances/!#$&'()*+,/:;<=>?@[\\]^_`{|}~",
        );
        check("a\u{fdd0}b\u{fdef}", "instances/a\u{fffd}b\u{fffd}", "instances/a%EF%BF%BDb%EF%BF%BD");
        check("\u{ffff}\u{10fffe}", "instances/\u{fffd}\u{fffd}", "instances/%EF%BF%BD%EF%BF%BD");
        check(
            "\u{fdcf}\u{fdf0}\u{fffd}",
            "instances/\u{fdcf}\u{fdf0}\u{fffd}",
            "instances/%EF%B7%8F%EF%B7%B0%EF%BF%BD",
        );
    }

    #[test]
    fn the_source_names_the_tracker_the_driver_and_the_provider() {
        let check = |public_url: &str, driver: &str, provider: &str, want: &str| {
            let mut change = change();
            (change.account.driver, change.account.provider) = (driver.into(), provider.into());
            let structured = read(&write(&change, Format::CloudEvents, public_url, None));
            assert_eq!(structured["source"], want);
            let binary = write(&change, Format::CloudEventsBinary, public_url, None);
            // The URI's own percent signs are encoded once more, as any attribute's are.
            assert_eq!(header(&binary, "ce-source"), want.replace('%', "%25"));
        };
        check(PUBLIC_URL, "ec2", "eu-west-1", "https://tracker.example/api/drivers/ec2/providers/eu-west-1");
        check("http://h:1/t", "mock", "default", "http://h:1/t/api/drivers/mock/providers/default");
        check(PUBLIC_URL, "a/b", "c?d#e", "https://tracker.example/api/drivers/a%2Fb/providers/c%3Fd%23e");
        check(PUBLIC_URL, "x", "Zürich 1%", "https://tracker.example/api/drivers/x/providers/Z%C3%BCrich%201%25");
        check(PUBLIC_URL, "x", "a-b.c_d~e", "https://tracker.example/api/drivers/x/providers/a-b.c_d~e");
    }

    #[test]
    fn every_type_of_change_is_an_event() {
        for change_type in ChangeType::ALL {
            let mut change = change();
            change.what.change_type = change_type;
            let realm = change_type.as_str().starts_with("realm.");
            if realm {
                change.what.subject = Subject::Realm;
                change.what.new_state = Some(State::Realm(RealmState::Available));
                (change.what.old_state, change.what.observed_after) = (None, None);
            }
            let event = read(&write(&change, Format::CloudEvents, PUBLIC_URL, None));
            assert_eq!(event["type"], format!("tracker.{change_type}"));
            assert_eq!(event["subject"], if realm { "realms/i-0abc" } else { "instances/i-0abc" });
            // Attributes are text without fail: only the data may have what is null.
            let object = event.as_object().unwrap();
            assert!(object.iter().all(|(name, value)| name == "data" || value.is_string()), "{event}");
            assert!(object.keys().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase())), "{event}");
        }
    }

    #[test]
    fn the_data_alone_has_the_token_and_nothing_names_the_user() {
        for format in Format::ALL {
            let message = write(&change(), format, PUBLIC_URL, Some(TOKEN));
            let mut body = read(&message);
            let data = if format == Format::CloudEvents { body["data"].take() } else { body.take() };
            assert_eq!(data["track_token"], TOKEN);
            let rest = format!("{body} {:?}", message.headers);
            assert!(!rest.contains(TOKEN), "{rest}");
            assert!(!format!("{data} {rest}").contains("AKIAEXAMPLE"), "{data} {rest}");
            assert!(read(&write(&change(), format, PUBLIC_URL, None)).to_string().find("track_token").is_none());
        }
    }

    #[test]
    fn an_event_is_within_64_kib_where_the_change_is() {
        // The longest id of what takes most room when it is encoded, and the rest as long as it is likely to get.
        let mut change = change();
        change.what.resource = ResourceId::parse("\"".repeat(ResourceId::MAX_BYTES)).unwrap();
        change.what.name = Some("\"".repeat(4096));
        change.account.driver = "ü".repeat(128);
        change.account.provider = "ü".repeat(128);
        for format in Format::ALL {
            let message = write(&change, format, PUBLIC_URL, Some(&"\\".repeat(4096)));
            let headers = message.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
            let extra: usize = headers.sum();
            assert!(extra < 8 << 10, "headers that a receiver may refuse: {extra} bytes");
            assert!(message.body.len() + extra <= 64 << 10, "{format:?}: {} bytes", message.body.len() + extra);
        }
    }
}
