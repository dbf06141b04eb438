//! Builds the description of one operation: authentication, parameters, and answers.

use utoipa::openapi::content::{Content, ContentBuilder};
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Operation, OperationBuilder, Parameter};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::Schema;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{RefOr, Required};

use super::shapes::{array, either, form, header_parameter, named, query, text};

pub(super) const JSON: &str = "application/json";
const XML: &str = "application/xml";
const PROBLEM: &str = "application/problem+json";

const UNAVAILABLE: &str = "The host cannot answer now: its store fails (`store-unavailable`), the provider asks for fewer \
    requests, the host is overloaded, or it is stopping. A request that writes was not carried out. Repeat it \
    unchanged after the time in Retry-After";

const FULL: &str = "The host's disk is full (`store-full`): the request, or its login, could not be written and was not \
    carried out. Reading still works. Repeat the request unchanged after the time in Retry-After; only the \
    operator can make room";

/// Who may ask.
#[derive(Clone, Copy)]
pub(super) enum Who {
    Anybody,
    /// By the account's own credentials, and by a token.
    Account,
    /// By the account's own credentials alone.
    Owner,
}

/// An operation, put together.
pub(super) struct Asked {
    operation: OperationBuilder,
    who: Who,
    forms: Forms,
}

/// Whether there is XML, too.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Forms {
    Json,
    JsonAndXml,
}

pub(super) fn asked(tag: &str, id: &str, summary: &str, who: Who) -> Asked {
    let operation = OperationBuilder::new().tag(tag).operation_id(Some(id)).summary(Some(summary));
    Asked { operation, who, forms: Forms::Json }
}

impl Asked {
    pub(super) fn says(self, description: &str) -> Asked {
        Asked { operation: self.operation.description(Some(description)), ..self }
    }

    pub(super) fn and_xml(self) -> Asked {
        Asked { forms: Forms::JsonAndXml, ..self }
    }

    pub(super) fn takes(mut self, parameters: Vec<Parameter>) -> Asked {
        for parameter in parameters {
            self.operation = self.operation.parameter(parameter);
        }
        self
    }

    /// `format`, which most take.
    pub(super) fn takes_format(self) -> Asked {
        let schema = match self.forms {
            Forms::Json => "JsonFormat",
            Forms::JsonAndXml => "AnswerFormat",
        };
        let format = query("format", named(schema), "The format of the answer, as in Deltacloud");
        self.takes(vec![format])
    }

    pub(super) fn once(self) -> Asked {
        let why = "1 to 255 visible ASCII characters. A repeated request with the same key is carried out once, and gets \
                   the first answer. A request that did nothing (a status of 400 or more) may be repeated with the same key";
        self.takes(vec![header_parameter("Idempotency-Key", text().pattern(Some("^[!-~]{1,255}$")).into(), why)]).fails(
            "409",
            "The current state does not allow it; or the answer to the first request with this Idempotency-Key is \
             lost (`answer-lost`: check the current state)",
            &[],
        )
    }

    /// `If-Match` and `If-None-Match`, which hold a write to the versions of a hook that it is for.
    pub(super) fn conditional(self) -> Asked {
        let only = "Tags of a hook, or `*`: writes only if one of them is its tag. A weak tag never matches";
        let none_of = "Tags of a hook, or `*`: writes only if none of them is its tag";
        self.takes(vec![
            header_parameter("If-Match", form("if-match"), only),
            header_parameter("If-None-Match", form("if-none-match"), none_of),
        ])
        .fails("412", "The version of the hook does not match the condition (`precondition-failed`)", &[])
    }

    pub(super) fn body(mut self, media_type: &str, schema: RefOr<Schema>, required: Required) -> Asked {
        self.operation = self.operation.request_body(Some(body(media_type, schema, required)));
        self
    }

    pub(super) fn gives(
        mut self,
        status: &str,
        description: &str,
        schema: Option<RefOr<Schema>>,
        headers: &[&str],
    ) -> Asked {
        let mut response = ResponseBuilder::new().description(description);
        if let Some(schema) = schema {
            response = response.content(JSON, content(schema));
            if self.forms == Forms::JsonAndXml {
                response = response.content(XML, content(text().into()));
            }
        }
        for name in headers {
            response = response.header(*name, header(name));
        }
        self.operation = self.operation.response(status, response.build());
        self
    }

    /// An answer that is text of another kind.
    pub(super) fn gives_text(mut self, description: &str, media_types: &[&str], headers: &[&str]) -> Asked {
        let mut response = ResponseBuilder::new().description(description);
        for media_type in media_types {
            response = response.content(*media_type, content(text().into()));
        }
        for name in headers {
            response = response.header(*name, header(name));
        }
        self.operation = self.operation.response("200", response.build());
        self
    }

    pub(super) fn streams(mut self, description: &str) -> Asked {
        let response = ResponseBuilder::new()
            .description(description)
            .content(JSON, content(either(array(named("Change")), named("PendingChanges"))))
            .content("text/event-stream", Content::default())
            .header("Link", header("Link"))
            .build();
        self.operation = self.operation.response("200", response);
        self
    }

    /// Why it is not as it should be, as far as there is more to say of that than of every operation.
    pub(super) fn fails(mut self, status: &str, description: &str, headers: &[&str]) -> Asked {
        self.operation = self.operation.response(status, problem(description, self.forms, headers));
        self
    }

    /// With what every operation may answer.
    pub(super) fn done(mut self) -> Operation {
        match self.who {
            Who::Anybody => self.operation = self.operation.security(SecurityRequirement::default()),
            Who::Account | Who::Owner => {
                self.operation = self.operation.security(SecurityRequirement::new("account", Vec::<String>::new()));
                if matches!(self.who, Who::Account) {
                    self.operation = self.operation.security(SecurityRequirement::new("token", Vec::<String>::new()));
                }
                let refused = problem("The credentials are missing or not accepted", self.forms, &["WWW-Authenticate"]);
                self.operation = self.operation.response("401", refused);
                let unavailable = problem(UNAVAILABLE, self.forms, &["Retry-After"]);
                self.operation = self.operation.response("503", unavailable);
                self.operation = self.operation.response("507", problem(FULL, self.forms, &["Retry-After"]));
            }
        }
        let wrong = problem("What is wrong in the request, where, and what to do", self.forms, &[]);
        let failed = problem("The host failed, or cannot answer now", self.forms, &[]);
        self.operation.response("4XX", wrong).response("5XX", failed).build()
    }
}

fn body(media_type: &str, schema: RefOr<Schema>, required: Required) -> RequestBody {
    RequestBodyBuilder::new().content(media_type, content(schema)).required(Some(required)).build()
}

fn content(schema: RefOr<Schema>) -> Content {
    ContentBuilder::new().schema(Some(schema)).build()
}

fn header(name: &str) -> Header {
    let description = match name {
        "ETag" => "The tag of the answer, for If-None-Match and, of a hook, for If-Match",
        "Link" => "The next page, as rel=\"next\" (RFC 8288)",
        "Tracker-Cursor" => "The cursor from which the feed continues this list",
        "Location" => "Its URL",
        "Retry-After" => "The number of seconds after which to retry",
        "WWW-Authenticate" => "The supported authentication schemes",
        _ => "",
    };
    HeaderBuilder::new().schema(text()).description(Some(description)).build()
}

fn problem(description: &str, forms: Forms, headers: &[&str]) -> Response {
    let mut response = ResponseBuilder::new().description(description).content(PROBLEM, content(named("Problem")));
    if forms == Forms::JsonAndXml {
        response = response.content(XML, content(text().into()));
    }
    for name in headers {
        response = response.header(*name, header(name));
    }
    response.build()
}
