//! Converts the API's documents to Deltacloud's documents. Pure.

use axum::http::HeaderValue;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use serde_json::Value;

use crate::api::auth::identify::DEFAULT_PROVIDER;
use crate::api::problem::Problem;
use crate::model::Kind;

pub(crate) const XML: HeaderValue = HeaderValue::from_static("application/xml; charset=utf-8");

/// Which document a route answers with, for those that there are in XML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Document {
    Entry,
    Drivers,
    Driver,
    Instances,
    Instance,
    Realms,
    Realm,
}

/// The version of Deltacloud's API whose documents these are.
const DELTACLOUD: &str = "1.1.1";

/// What a request is for: told in the entry point and in errors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Backend {
    pub(super) driver: Option<String>,
    pub(super) provider: Option<String>,
}

pub(super) fn write(document: Document, json: &Value, backend: &Backend) -> Result<Vec<u8>, Problem> {
    written(|xml| match document {
        Document::Entry => xml.entry(json, backend),
        Document::Drivers => xml.all("drivers", &json["drivers"], Xml::driver),
        Document::Driver => xml.driver(json),
        Document::Instances => xml.all("instances", &json["instances"], Xml::instance),
        Document::Instance => xml.instance(json),
        Document::Realms => xml.all("realms", &json["realms"], Xml::realm),
        Document::Realm => xml.realm(json),
    })
}

/// An error, as Deltacloud's clients read it, of a problem.
pub(super) fn write_error(problem: &Value, path: &str, backend: &Backend) -> Result<Vec<u8>, Problem> {
    let status = problem["status"].to_string();
    written(|xml| {
        xml.inside("error", &[("url", Some(path)), ("status", Some(&status))], |xml| {
            let kind = text(&problem["type"]).and_then(|uri| uri.rsplit('/').next());
            xml.text("kind", kind)?;
            let provider = backend.provider.as_deref();
            xml.empty("backend", &[("driver", backend.driver.as_deref()), ("provider", provider)])?;
            xml.text("code", Some(&status))?;
            xml.text("message", text(&problem["detail"]))
        })
    })
}

/// How a list begins, for one that is written piece by piece.
pub(crate) fn opening(element: &str) -> Result<Vec<u8>, Problem> {
    written(|xml| xml.0.write_event(Event::Start(BytesStart::new(element))))
}

/// Some items of a list.
pub(crate) fn items_of(kind: Kind, items: &[Value]) -> Result<Vec<u8>, Problem> {
    let write = match kind {
        Kind::Instance => Xml::instance,
        Kind::Realm => Xml::realm,
    };
    let mut xml = Xml(Writer::new(Vec::new()));
    items.iter().try_for_each(|item| write(&mut xml, item)).map_err(Problem::internal)?;
    Ok(xml.0.into_inner())
}

/// How a list ends.
pub(crate) fn closing(element: &str) -> Result<Vec<u8>, Problem> {
    let mut xml = Xml(Writer::new(Vec::new()));
    xml.0.write_event(Event::End(BytesEnd::new(element))).map_err(Problem::internal)?;
    Ok(xml.0.into_inner())
}

fn written(write: impl FnOnce(&mut Xml) -> std::io::Result<()>) -> Result<Vec<u8>, Problem> {
    let mut xml = Xml(Writer::new(Vec::new()));
    xml.0.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None))).map_err(Problem::internal)?;
    write(&mut xml).map_err(Problem::internal)?;
    Ok(xml.0.into_inner())
}

fn text(value: &Value) -> Option<&str> {
    value.as_str()
}

type Attributes<'a> = [(&'a str, Option<&'a str>)];

struct Xml(Writer<Vec<u8>>);

impl Xml {
    fn entry(&mut self, entry: &Value, backend: &Backend) -> std::io::Result<()> {
        let (driver, provider) = (backend.driver.as_deref(), backend.provider.as_deref());
        let attributes = [("driver", driver), ("provider", provider), ("version", Some(DELTACLOUD))];
        self.inside("api", &attributes, |xml| {
            for link in items(&entry["links"]) {
                xml.inside("link", &[("rel", text(&link["rel"])), ("href", text(&link["href"]))], |xml| {
                    for feature in items(&link["features"]) {
                        xml.inside("feature", &[("name", text(&feature["name"]))], |xml| {
                            items(&feature["params"])
                                .iter()
                                .try_for_each(|parameter| xml.empty("param", &[("name", text(parameter))]))
                        })?;
                    }
                    Ok(())
                })?;
            }
            Ok(())
        })
    }

    fn driver(&mut self, driver: &Value) -> std::io::Result<()> {
        self.inside("driver", &place(driver), |xml| {
            xml.text("name", text(&driver["name"]))?;
            xml.text("version", text(&driver["version"]))?;
            xml.text("digest", text(&driver["digest"]))?;
            for provider in items(&driver["providers"]) {
                let id = text(&provider["id"]);
                // The only place of a driver that has no regions was not told of.
                if id == Some(DEFAULT_PROVIDER) {
                    continue;
                }
                xml.inside("provider", &[("id", id)], |xml| match text(&provider["endpoint"]) {
                    Some(endpoint) => xml.text_with("entrypoint", &[("kind", text(&driver["id"]))], Some(endpoint)),
                    None => Ok(()),
                })?;
            }
            xml.inside("may_reach", &[], |xml| {
                items(&driver["may_reach"]).iter().try_for_each(|endpoint| xml.text("endpoint", text(endpoint)))
            })?;
            xml.text("health", text(&driver["health"]))
        })
    }

    fn instance(&mut self, instance: &Value) -> std::io::Result<()> {
        self.inside("instance", &place(instance), |xml| {
            xml.text("name", text(&instance["name"]))?;
            xml.text("owner_id", text(&instance["owner"]))?;
            for (element, member, collection) in [
                ("image", "image", "images"),
                ("realm", "realm", "realms"),
                ("hardware_profile", "hardware_profile", "hardware_profiles"),
            ] {
                // Where nothing is known, the element is there without an id: older clients fail for want of it.
                let id = text(&instance[member]);
                let href = id.and_then(|id| beside(instance, collection, id));
                xml.empty(element, &[("href", href.as_deref()), ("id", id)])?;
            }
            xml.text("state", text(&instance["state"]))?;
            xml.text("provider_state", text(&instance["provider_state"]))?;
            // What can be done with it is a matter between the client and the cloud.
            xml.empty("actions", &[])?;
            if let Some(launched_at) = text(&instance["launched_at"]) {
                xml.text("launch_time", Some(launched_at))?;
            }
            for element in ["public_addresses", "private_addresses"] {
                xml.inside(element, &[], |xml| {
                    items(&instance[element]).iter().try_for_each(|address| {
                        xml.text_with("address", &[("type", text(&address["kind"]))], text(&address["value"]))
                    })
                })?;
            }
            xml.inside("labels", &[], |xml| {
                let labels = instance["labels"].as_object().into_iter().flatten();
                labels
                    .into_iter()
                    .try_for_each(|(name, value)| xml.text_with("label", &[("name", Some(name.as_str()))], text(value)))
            })?;
            xml.seen(instance)?;
            xml.track(instance)
        })
    }

    fn realm(&mut self, realm: &Value) -> std::io::Result<()> {
        self.inside("realm", &place(realm), |xml| {
            xml.text("name", text(&realm["name"]))?;
            xml.text("state", text(&realm["state"]))?;
            let limit = realm["limit"].as_u64().map(|limit| limit.to_string());
            xml.text("limit", limit.as_deref())?;
            xml.seen(realm)?;
            xml.track(realm)
        })
    }

    /// When it was seen.
    fn seen(&mut self, resource: &Value) -> std::io::Result<()> {
        for member in ["first_seen", "last_seen", "state_since"] {
            if let Some(time) = text(&resource[member]) {
                self.text(member, Some(time))?;
            }
        }
        Ok(())
    }

    /// The caller's hook on it.
    fn track(&mut self, resource: &Value) -> std::io::Result<()> {
        let track = &resource["track"];
        if track.is_null() {
            return Ok(());
        }
        let token = if track["token"] == true { "true" } else { "false" };
        self.inside("track", &[("id", text(&track["id"])), ("status", text(&track["status"]))], |xml| {
            xml.text("hook", text(&track["hook"]))?;
            xml.text("token", Some(token))?;
            match text(&track["secret"]) {
                Some(secret) => xml.text("secret", Some(secret)),
                None => Ok(()),
            }
        })
    }

    fn all(
        &mut self,
        element: &str,
        list: &Value,
        mut write: impl FnMut(&mut Xml, &Value) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        self.inside(element, &[], |xml| items(list).iter().try_for_each(|item| write(xml, item)))
    }

    fn text(&mut self, element: &str, content: Option<&str>) -> std::io::Result<()> {
        self.text_with(element, &[], content)
    }

    fn text_with(&mut self, element: &str, attributes: &Attributes<'_>, content: Option<&str>) -> std::io::Result<()> {
        match content {
            Some(content) => {
                self.inside(element, attributes, |xml| xml.0.write_event(Event::Text(BytesText::new(&legal(content)))))
            }
            None => self.empty(element, attributes),
        }
    }

    fn empty(&mut self, element: &str, attributes: &Attributes<'_>) -> std::io::Result<()> {
        self.0.write_event(Event::Empty(start(element, attributes)))
    }

    fn inside(
        &mut self,
        element: &str,
        attributes: &Attributes<'_>,
        write: impl FnOnce(&mut Xml) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        self.0.write_event(Event::Start(start(element, attributes)))?;
        write(self)?;
        self.0.write_event(Event::End(BytesEnd::new(element)))
    }
}

/// Attributes without a value are left out.
fn start<'a>(element: &'a str, attributes: &Attributes<'_>) -> BytesStart<'a> {
    let mut start = BytesStart::new(element);
    for (name, value) in attributes {
        if let Some(value) = value {
            start.push_attribute((*name, legal(value).as_str()));
        }
    }
    start
}

fn place(resource: &Value) -> [(&'static str, Option<&str>); 2] {
    [("href", text(&resource["href"])), ("id", text(&resource["id"]))]
}

/// Where another collection has something, in the manner of the resource's own link.
fn beside(resource: &Value, collection: &str, id: &str) -> Option<String> {
    let (root, _) = text(&resource["href"])?.rsplit_once("/api/")?;
    let id: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
    Some(format!("{root}/api/{collection}/{}", id.replace('+', "%20")))
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Without what XML 1.0 has no way to write at all.
fn legal(text: &str) -> String {
    let is_legal =
        |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|c| if is_legal(c) { c } else { '\u{fffd}' }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn xml(document: Document, json: &Value) -> String {
        let backend = Backend { driver: Some("mock".into()), provider: None };
        let xml = String::from_utf8(write(document, json, &backend).expect("written")).expect("UTF-8");
        xml.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>").expect("a declaration").to_owned()
    }

    #[test]
    fn instances_are_written_as_deltacloud_has_them() {
        let instance = json!({
            "id": "inst0", "href": "http://t/api/instances/inst0", "name": "A & \"B\" <c>\u{1}", "state": "RUNNING",
            "owner": "mockuser", "realm": "us east", "image": null, "hardware_profile": "m1-large",
            "public_addresses": [{ "kind": "hostname", "value": "one.example" }], "private_addresses": [],
            "launched_at": null, "provider_state": "running", "labels": { "a\nb": "c\td" },
            "first_seen": "2026-11-22T10:00:00.000Z",
            "track": { "hook": "https://e.com/?a=1&b=2", "id": "7", "status": "active", "token": true },
        });
        let want = "<instance href=\"http://t/api/instances/inst0\" id=\"inst0\">\
                    <name>A &amp; &quot;B&quot; &lt;c&gt;\u{fffd}</name><owner_id>mockuser</owner_id>\
                    <image/><realm href=\"http://t/api/realms/us%20east\" id=\"us east\"/>\
                    <hardware_profile href=\"http://t/api/hardware_profiles/m1-large\" id=\"m1-large\"/>\
                    <state>RUNNING</state><provider_state>running</provider_state><actions/>\
                    <public_addresses><address type=\"hostname\">one.example</address></public_addresses>\
                    <private_addresses></private_addresses>\
                    <labels><label name=\"a&#10;b\">c\td</label></labels>\
                    <first_seen>2026-11-22T10:00:00.000Z</first_seen>\
                    <track id=\"7\" status=\"active\"><hook>https://e.com/?a=1&amp;b=2</hook><token>true</token></track>\
                    </instance>";
        assert_eq!(xml(Document::Instance, &instance), want);
        assert_eq!(
            xml(Document::Instances, &json!({ "instances": [instance.clone()] })),
            format!("<instances>{want}</instances>")
        );
        let pieces = [opening("instances"), items_of(Kind::Instance, &[instance]), closing("instances")];
        let pieces = pieces.map(|piece| String::from_utf8(piece.expect("written")).expect("UTF-8"));
        assert_eq!(pieces.concat(), format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><instances>{want}</instances>"));
        assert_eq!(xml(Document::Instances, &json!({ "instances": [] })), "<instances></instances>");
    }

    #[test]
    fn the_other_documents_are_written_as_deltacloud_has_them() {
        let realm =
            json!({ "id": "us", "href": "http://t/api/realms/us", "name": "US", "state": "AVAILABLE", "limit": null });
        let want =
            "<realm href=\"http://t/api/realms/us\" id=\"us\"><name>US</name><state>AVAILABLE</state><limit/></realm>";
        assert_eq!(xml(Document::Realm, &realm), want);
        let driver = json!({
            "id": "ec2", "href": "http://t/api/drivers/ec2", "name": "EC2",
            "version": "1.0.0", "digest": "ab", "health": "loaded", "may_reach": ["https://*.example"],
            "providers": [{ "id": "default" }, { "id": "eu-west-1", "endpoint": "https://e.example" }, { "id": "own" }],
        });
        let want = "<driver href=\"http://t/api/drivers/ec2\" id=\"ec2\"><name>EC2</name>\
                    <version>1.0.0</version><digest>ab</digest>\
                    <provider id=\"eu-west-1\"><entrypoint kind=\"ec2\">https://e.example</entrypoint></provider>\
                    <provider id=\"own\"></provider>\
                    <may_reach><endpoint>https://*.example</endpoint></may_reach><health>loaded</health></driver>";
        assert_eq!(xml(Document::Driver, &driver), want);
        let entry = json!({ "version": "9", "links": [
            { "rel": "instances", "href": "http://t/api/instances",
              "features": [{ "name": "state_tracking", "params": ["track_hook"] }] },
            { "rel": "realms", "href": "http://t/api/realms" },
        ] });
        let want = "<api driver=\"mock\" version=\"1.1.1\"><link rel=\"instances\" href=\"http://t/api/instances\">\
                    <feature name=\"state_tracking\"><param name=\"track_hook\"/></feature></link>\
                    <link rel=\"realms\" href=\"http://t/api/realms\"></link></api>";
        assert_eq!(xml(Document::Entry, &entry), want);
    }

    #[test]
    fn an_error_says_what_was_wrong() {
        let problem = json!({ "type": "/problems/instance-not-found", "status": 404, "detail": "no <such> thing" });
        let backend = Backend { driver: Some("ec2".into()), provider: Some("eu".into()) };
        let xml = write_error(&problem, "/api/instances/x", &backend).expect("written");
        let xml = String::from_utf8(xml).expect("UTF-8");
        let want = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><error url=\"/api/instances/x\" status=\"404\">\
                    <kind>instance-not-found</kind><backend driver=\"ec2\" provider=\"eu\"/><code>404</code>\
                    <message>no &lt;such&gt; thing</message></error>";
        assert_eq!(xml, want);
    }
}
