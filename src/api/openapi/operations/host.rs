//! Operations of the host itself: entry point, drivers, health, and this description.

use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder};

use super::table::Table;
use crate::api::openapi::asked::{Who, asked};
use crate::api::openapi::docs::NAMES;
use crate::api::openapi::shapes::{array, named, object, one_of, path, query, text, words_of};

pub(super) fn describe(api: &mut Table) {
    let on = |id: &str, summary: &str| asked("host", id, summary, Who::Anybody);
    api.define("JsonFormat", words_of(&["json"]));
    api.define("AnswerFormat", words_of(&["json", "xml"]));
    api.get("/", on("getRoot", "Redirects to the entry point").gives("307", "To /api", None, &["Location"]));
    let tried = query("force_auth", one_of(&["true", "false", "1", "0"]), "Whether to check the credentials");
    api.get(
        "/api",
        on("getEntryPoint", "The entry point: version, driver and provider, and links to the collections")
            .and_xml()
            .takes(vec![tried])
            .takes_format()
            .gives("200", "The entry point", Some(named("EntryPoint")), &[]),
    );
    let list = vec![
        query("id", text().into(), "Only the driver with this id"),
        query("state", text().into(), "Only drivers with this health, for clients of Deltacloud"),
    ];
    api.get(
        "/api/drivers",
        on("listDrivers", "The loaded drivers")
            .and_xml()
            .takes(list)
            .takes_format()
            .gives("200", "The drivers", Some(named("DriverList")), &["ETag"])
            .gives("304", "Unchanged since If-None-Match", None, &["ETag"]),
    );
    api.get(
        "/api/drivers/{id}",
        on("getDriver", "One driver")
            .and_xml()
            .takes(vec![path("id", text().min_length(Some(1)).into(), "The driver's name, as in X-Deltacloud-Driver")])
            .takes_format()
            .gives("200", "The driver", Some(named("Driver")), &["ETag"])
            .gives("304", "Unchanged since If-None-Match", None, &["ETag"]),
    );
    let status = api.define("HostStatus", object(vec![("status", text().into())]));
    let alive = on("getLiveness", "Whether the process runs");
    api.get("/healthz", alive.gives("200", "It runs", Some(status.clone()), &[]));
    api.get(
        "/readyz",
        on("getReadiness", "Whether the host can serve requests").gives("200", "It can", Some(status), &[]).fails(
            "503",
            "They can't: the store can't be written, work with it keeps failing, or none of the drivers that are \
             approved or needed is loaded. `failing` says what fails, since when and why: `error` is `disk-full` where \
             the disk is full, `size-limit` where the store is as large as it may be, and `gone` where a file of the store was removed or replaced while the host runs",
            &["Retry-After"],
        ),
    );
    let metrics = on("getMetrics", "The metrics of the host, for Prometheus");
    api.get("/metrics", metrics.gives_text("OpenMetrics text", &["application/openmetrics-text"], &[]));
    let anything = ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(true)));
    let document = api.define("OpenApiDocument", anything);
    api.get(
        "/openapi.json",
        on("getOpenApi", "This description").gives("200", "OpenAPI 3.1", Some(document), &["ETag"]).gives(
            "304",
            "Unchanged since If-None-Match",
            None,
            &["ETag"],
        ),
    );
    let docs = on("getDocs", "This description, for people").gives_text("A page", &["text/html"], &["ETag"]);
    api.get("/docs", docs.gives("304", "Unchanged since If-None-Match", None, &["ETag"]));
    let file = on("getDocsFile", "A file of that page").takes(vec![path("file", one_of(&NAMES), "Its name")]);
    let file = file.gives_text("The file", &["text/css", "text/javascript"], &["ETag"]);
    api.get("/docs/{file}", file.gives("304", "Unchanged since If-None-Match", None, &["ETag"]));
    let types = api.define("ProblemTypeList", object(vec![("problems", array(named("ProblemType")))]));
    api.get("/problems", on("listProblemTypes", "All types of problems").gives("200", "The types", Some(types), &[]));
    api.get(
        "/problems/{slug}",
        on("getProblemType", "The meaning of a type of problem")
            .takes(vec![path("slug", text().min_length(Some(1)).into(), "The end of the type's URI")])
            .gives("200", "The type", Some(named("ProblemType")), &[]),
    );
}
