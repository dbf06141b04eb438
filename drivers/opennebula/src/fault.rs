//! What OpenNebula's codes mean to the host ("XML-RPC API", and `Request::ErrorCode`).

use tracker_driver_sdk::Error;
use tracker_driver_sdk::error::quote;

use crate::envelope::Failure;

const AUTHENTICATION: i64 = 0x0100;
const AUTHORIZATION: i64 = 0x0200;
const NO_EXISTS: i64 = 0x0400;
const INTERNAL: i64 = 0x2000;
const REPLICATION: i64 = 0x10000;

/// How an XML-RPC server says that it does not know a method: xmlrpc-c's code, and that of the usual convention.
const UNKNOWN_METHOD: [i64; 2] = [-506, -32_601];

/// How xmlrpc-c says that it failed itself: an error inside, of the network, or a timeout.
const FAILED: [i64; 3] = [-500, -504, -505];

impl Failure {
    /// An older OpenNebula does not have the method.
    pub(crate) fn is_unknown_method(&self) -> bool {
        matches!(self, Failure::Fault { code, .. } if UNKNOWN_METHOD.contains(code))
    }

    /// There is no object with that id.
    pub(crate) fn is_absence(&self) -> bool {
        matches!(self, Failure::Refused { code: NO_EXISTS, .. })
    }

    /// What the failure says of the call, by its code. Nothing where the code does not tell.
    pub(crate) fn meaning(&self, asked: &str) -> Option<Error> {
        let Failure::Refused { code, message } = self else { return None };
        let message = format!("{asked}: {message} (code {code:#06x})");
        match *code {
            AUTHENTICATION => Some(Error::Unauthorized(message)),
            AUTHORIZATION => Some(Error::Forbidden(message)),
            // The database, a cluster of front ends in an election, a zone that is disabled.
            INTERNAL | REPLICATION => Some(Error::Unavailable(message)),
            _ => None,
        }
    }

    /// The same, or that the answer was not expected.
    pub(crate) fn into_error(self, asked: &str) -> Error {
        if let Some(error) = self.meaning(asked) {
            return error;
        }
        match self {
            Failure::Refused { code, message } => {
                Error::UnexpectedAnswer(format!("{asked}: {message} (code {code:#06x})"))
            }
            Failure::Fault { code, message } => {
                let message = quote(message.as_bytes());
                let why = format!("{asked}: the XML-RPC server answered fault {code}: {message}");
                if FAILED.contains(&code) { Error::Unavailable(why) } else { Error::UnexpectedAnswer(why) }
            }
            Failure::Unreadable(error) => error.during(asked),
        }
    }
}
