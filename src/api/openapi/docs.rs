//! `GET /docs`: the description for people, who can also try requests there. Swagger UI renders it in the browser. The
//! program contains its files: nothing is fetched from elsewhere.

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use crate::api::problem::{Problem, ProblemType};

const PAGE: &str = include_str!("docs/page.html");

/// What a browser is to let the page do: run the scripts of this host, and ask this host. Swagger UI has pictures in its style.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

struct File {
    name: &'static str,
    content_type: &'static str,
    content: &'static [u8],
    is_compressed: bool,
}

const FILES: [File; 4] = [
    File { name: "page.css", content_type: CSS, content: include_bytes!("docs/page.css"), is_compressed: false },
    File { name: "start.js", content_type: SCRIPT, content: include_bytes!("docs/start.js"), is_compressed: false },
    File {
        name: "swagger-ui.css",
        content_type: CSS,
        content: include_bytes!("docs/swagger-ui/swagger-ui.css.gz"),
        is_compressed: true,
    },
    File {
        name: "swagger-ui-bundle.js",
        content_type: SCRIPT,
        content: include_bytes!("docs/swagger-ui/swagger-ui-bundle.js.gz"),
        is_compressed: true,
    },
];

pub(super) const NAMES: [&str; FILES.len()] = {
    let mut names = [""; FILES.len()];
    let mut at = 0;
    while at < FILES.len() {
        names[at] = FILES[at].name;
        at += 1;
    }
    names
};

pub(in crate::api) async fn page() -> Response {
    let headers =
        [(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "no-cache"), (CONTENT_SECURITY_POLICY, POLICY)];
    (headers, PAGE).into_response()
}

/// `GET /docs/{file}`: what the page is made of.
pub(in crate::api) async fn file(Path(name): Path<String>) -> Result<Response, Problem> {
    let Some(file) = FILES.iter().find(|file| file.name == name) else {
        let detail = format!("there is no such file of /docs; it has {}", NAMES.join(", "));
        return Err(Problem::new(ProblemType::RouteNotFound, detail));
    };
    let headers = [(CONTENT_TYPE, file.content_type), (CACHE_CONTROL, "no-cache")];
    // Whatever a request says that it accepts: there is no other form of these files, and every browser takes this one.
    let encoding = file.is_compressed.then_some([(CONTENT_ENCODING, "gzip")]);
    Ok((headers, encoding, Bytes::from_static(file.content)).into_response())
}
