//! A call: a method and its arguments as XML-RPC, by POST. The session, `user:password`, is the first argument of all.

use std::fmt::Write as _;

use tracker_driver_sdk::http::{Body, Request};
use tracker_driver_sdk::secret::{self, Encoding};
use tracker_driver_sdk::xml::Reader;
use tracker_driver_sdk::{Account, Error};

use crate::envelope::{self, Failure};
use crate::text::Text;

/// Below the endpoint. Operators know addresses with it, so one that ends with it is taken, too.
const PATH: &str = "/RPC2";

/// The reader that a document is read with.
pub(crate) type Document<'a, 'b> = Reader<&'a mut Text<&'b mut Body>>;

/// An argument behind the session.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Argument<'a> {
    Int(i64),
    Bool(bool),
    Text(&'a str),
}

/// Calls, and gives what `read` makes of the document in the answer, whose root has that name.
pub(crate) fn call<T>(
    account: &Account,
    method: &str,
    arguments: &[Argument<'_>],
    root: &str,
    read: impl FnOnce(&mut Document<'_, '_>) -> Result<T, Error>,
) -> Result<T, Failure> {
    let mut response = request(account, method, arguments)?.send()?;
    if response.status != 200 {
        let start = response.start_of_body();
        let asked = format!("{} answered {}", response.asked(), response.status);
        let told = envelope::failure_in(&start).and_then(|failure| failure.meaning(&asked));
        return Err(told.unwrap_or_else(|| response.error_quoting(&start)).into());
    }
    envelope::document(response.reader(), root, read)
}

fn request(account: &Account, method: &str, arguments: &[Argument<'_>]) -> Result<Request, Error> {
    if account.user.is_empty() {
        return Err(Error::InvalidAccount("the account's user is empty: it has to be an OpenNebula user".to_owned()));
    }
    let password = secret::placeholder(secret::PASSWORD, Encoding::Xml)?;
    let mut body = format!(
        "<?xml version=\"1.0\"?><methodCall><methodName>{method}</methodName><params><param><value><string>{}:{password}\
         </string></value></param>",
        escaped(&account.user)
    );
    for argument in arguments {
        // Writing to a text does not fail.
        let _ = match argument {
            Argument::Int(value) => write!(body, "<param><value><int>{value}</int></value></param>"),
            Argument::Bool(value) => {
                write!(body, "<param><value><boolean>{}</boolean></value></param>", u8::from(*value))
            }
            Argument::Text(value) => {
                write!(body, "<param><value><string>{}</string></value></param>", escaped(value))
            }
        };
    }
    body.push_str("</params></methodCall>");
    let url = match account.endpoint.ends_with(PATH) {
        true => account.endpoint.clone(),
        false => format!("{}{PATH}", account.endpoint),
    };
    Ok(Request::post(url).header("content-type", "text/xml; charset=utf-8").body(body))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
