//! The bodies of the calls.

use std::fmt::Write as _;

use super::Filter;
use crate::session::Session;

/// The most objects on a page. The API names no limit, and may give fewer by a policy of its own.
const PAGE: &str = "<maxObjects>1000</maxObjects>";

pub(crate) enum Call<'a> {
    ServiceContent,
    Login { manager: &'a str, user: &'a str, password: &'a str },
    CreateView { manager: &'a str, root: &'a str },
    Retrieve { session: &'a Session, filter: Filter<'a> },
    Proceed { session: &'a Session, token: &'a str },
}

impl<'a> Call<'a> {
    pub(crate) fn retrieve(session: &'a Session, filter: Filter<'a>) -> Self {
        Call::Retrieve { session, filter }
    }

    /// The page behind the one that gave this token.
    pub(crate) fn proceed(session: &'a Session, token: &'a str) -> Self {
        Call::Proceed { session, token }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Call::ServiceContent => "RetrieveServiceContent",
            Call::Login { .. } => "Login",
            Call::CreateView { .. } => "CreateContainerView",
            Call::Retrieve { .. } => "RetrievePropertiesEx",
            Call::Proceed { .. } => "ContinueRetrievePropertiesEx",
        }
    }

    pub(super) fn envelope(&self) -> String {
        let name = self.name();
        let inside = self.arguments();
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body>\
             <{name} xmlns=\"urn:vim25\">{inside}</{name}></soapenv:Body></soapenv:Envelope>"
        )
    }

    /// The object whose method is called, and what it is given.
    fn arguments(&self) -> String {
        match self {
            Call::ServiceContent => object("_this", "ServiceInstance", "ServiceInstance"),
            Call::Login { manager, user, password } => {
                let this = object("_this", "SessionManager", manager);
                // The password is a placeholder, for which the host puts in what is escaped.
                format!("{this}<userName>{}</userName><password>{password}</password>", escaped(user))
            }
            Call::CreateView { manager, root } => {
                let (this, container) = (object("_this", "ViewManager", manager), object("container", "Folder", root));
                // Clusters are ComputeResources, and so is a host that is in none.
                let types = "<type>VirtualMachine</type><type>HostSystem</type><type>ComputeResource</type>";
                format!("{this}{container}{types}<recursive>true</recursive>")
            }
            Call::Retrieve { session, filter } => {
                let this = object("_this", "PropertyCollector", &session.collector);
                let page = if filter.is_list() { PAGE } else { "" };
                format!("{this}<specSet>{}</specSet><options>{page}</options>", filter.specification(session))
            }
            Call::Proceed { session, token } => {
                let this = object("_this", "PropertyCollector", &session.collector);
                format!("{this}<token>{}</token>", escaped(token))
            }
        }
    }
}

/// A reference to one of the server's objects.
pub(super) fn object(element: &str, kind: &str, id: &str) -> String {
    format!("<{element} type=\"{kind}\">{}</{element}>", escaped(id))
}

/// A text as it stands in XML. A carriage return would be read as the end of a line.
fn escaped(text: &str) -> String {
    let mut into = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => into.push_str("&amp;"),
            '<' => into.push_str("&lt;"),
            '>' => into.push_str("&gt;"),
            '"' => into.push_str("&quot;"),
            '\'' => into.push_str("&apos;"),
            '\t' | '\n' => into.push(char),
            control if control.is_control() => {
                let _ = write!(into, "&#{};", u32::from(control));
            }
            other => into.push(other),
        }
    }
    into
}
