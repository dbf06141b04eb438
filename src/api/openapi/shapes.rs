//! Schemas and parameters that several operations use.

use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type,
};
use utoipa::openapi::{Ref, RefOr, Required};

pub(super) fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// Text of which the bytes are counted.
pub(super) fn bytes(most: usize) -> RefOr<Schema> {
    text()
        .max_length(Some(most))
        .description(Some("The length is limited by its bytes in UTF-8, not by its characters"))
        .into()
}

/// One of these words, for a parameter of which they are not worth a type.
pub(super) fn one_of(words: &[&str]) -> RefOr<Schema> {
    let one = words.join("|").replace('.', r"\.");
    text().pattern(Some(format!("^({one})$"))).into()
}

/// Some of these words, with commas between.
pub(super) fn several_of(words: &[&str]) -> RefOr<Schema> {
    let one = words.join("|").replace('.', r"\.");
    text().pattern(Some(format!("^({one})(,({one}))*$"))).into()
}

/// Text of a form that has a name.
pub(super) fn form(name: &str) -> RefOr<Schema> {
    text().format(Some(SchemaFormat::Custom(name.to_owned()))).into()
}

/// The id of a lease.
pub(super) fn lease_id() -> RefOr<Schema> {
    text().pattern(Some("^[1-9][0-9]{0,18}$")).into()
}

/// An id, in bytes at most 255.
pub(super) fn id() -> RefOr<Schema> {
    text().pattern(Some(r"^[^\u0000-\u001f\u007f-\u009f]{1,255}$")).into()
}

/// An id, or with a `*` at its end all that begin so.
pub(super) fn id_pattern() -> RefOr<Schema> {
    let one = r"[^*\u0000-\u001f\u007f-\u009f]";
    text().pattern(Some(format!(r"^({one}{{1,255}}|{one}{{0,255}}\*)$"))).into()
}

/// Several of them, with commas between. Within one, a backslash stands before a comma or a backslash.
pub(super) fn id_patterns() -> RefOr<Schema> {
    let one = r"([^*,\\\u0000-\u001f\u007f-\u009f]|\\[,\\])";
    let one = format!(r"({one}{{1,255}}|{one}{{0,255}}\*)");
    text().pattern(Some(format!("^{one}(,{one})*$"))).into()
}

/// Several ids, with commas between, as in `id_patterns`.
pub(super) fn ids() -> RefOr<Schema> {
    let one = r"([^,\\\u0000-\u001f\u007f-\u009f]|\\[,\\]){1,255}";
    text().pattern(Some(format!("^{one}(,{one})*$"))).into()
}

pub(super) fn past() -> RefOr<Schema> {
    text()
        .format(Some(SchemaFormat::Custom("past".into())))
        .description(Some("A time as in RFC 3339, not in the future"))
        .into()
}

pub(super) fn span() -> RefOr<Schema> {
    text()
        .format(Some(SchemaFormat::Custom("span".into())))
        .description(Some("A span of time, such as `90s` or `5 min`, up to 7 days"))
        .into()
}

pub(super) fn nullable(schema: RefOr<Schema>) -> RefOr<Schema> {
    let null = ObjectBuilder::new().schema_type(Type::Null);
    utoipa::openapi::schema::OneOfBuilder::new().item(schema).item(null).into()
}

pub(super) fn whole(least: u64, most: impl TryInto<u64>) -> RefOr<Schema> {
    let int = SchemaFormat::KnownFormat(KnownFormat::Int64);
    let most = most.try_into().unwrap_or(u64::MAX);
    let number = ObjectBuilder::new().schema_type(Type::Integer).format(Some(int));
    number.minimum(Some(least as f64)).maximum(Some(most as f64)).into()
}

pub(super) fn words_of(words: &[&str]) -> RefOr<Schema> {
    text().enum_values(Some(words.iter().map(ToString::to_string).collect::<Vec<_>>())).into()
}

pub(super) fn named(name: &str) -> RefOr<Schema> {
    RefOr::Ref(Ref::from_schema_name(name))
}

/// One or the other.
pub(super) fn either(one: RefOr<Schema>, other: RefOr<Schema>) -> RefOr<Schema> {
    utoipa::openapi::schema::OneOfBuilder::new().item(one).item(other).into()
}

pub(super) fn any_of(names: &[&str]) -> RefOr<Schema> {
    let any = names.iter().fold(utoipa::openapi::schema::AnyOfBuilder::new(), |any, name| any.item(named(name)));
    RefOr::T(Schema::AnyOf(any.build()))
}

pub(super) fn array(items: RefOr<Schema>) -> RefOr<Schema> {
    ArrayBuilder::new().items(items).into()
}

/// An object with these members and no other.
pub(super) fn object(members: Vec<(&str, RefOr<Schema>)>) -> RefOr<Schema> {
    let closed = ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(false)));
    members.into_iter().fold(closed, |object, (name, schema)| object.property(name, schema).required(name)).into()
}

/// An object which may have these members and no other.
pub(super) fn optional(members: Vec<(&str, RefOr<Schema>)>) -> RefOr<Schema> {
    let closed = ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(false)));
    members.into_iter().fold(closed, |object, (name, schema)| object.property(name, nullable(schema))).into()
}

pub(super) fn required(mut parameter: Parameter) -> Parameter {
    parameter.required = Required::True;
    parameter
}

pub(super) fn query(name: &str, schema: RefOr<Schema>, description: &str) -> Parameter {
    parameter(name, ParameterIn::Query, schema, description)
}

pub(super) fn path(name: &str, schema: RefOr<Schema>, description: &str) -> Parameter {
    parameter(name, ParameterIn::Path, schema, description)
}

pub(super) fn header_parameter(name: &str, schema: RefOr<Schema>, description: &str) -> Parameter {
    parameter(name, ParameterIn::Header, schema, description)
}

pub(super) fn parameter(name: &str, place: ParameterIn, schema: RefOr<Schema>, description: &str) -> Parameter {
    let required = if place == ParameterIn::Path { Required::True } else { Required::False };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .schema(Some(schema))
        .required(required)
        .description(Some(description))
        .build()
}
