//! The schemas of types that are written as one text. All other schemas are derived at their types.

use std::borrow::Cow;

use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::change::{ChangeId, ChangeType, Cursor};
use super::hook::{DisableReason, Format, HookStatus, Mode};
use super::time::Timestamp;
use super::token::Scope;

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

macro_rules! described {
    ($($type:ty, $name:literal => $schema:expr;)+) => {$(
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                RefOr::T(Schema::Object($schema.build()))
            }
        }

        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed($name)
            }
        }
    )+};
}

described! {
    Timestamp, "Timestamp" => text()
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .description(Some("A time in UTC with milliseconds, as in RFC 3339"));
    ChangeId, "ChangeId" => text()
        .pattern(Some("^chg_[0-9A-HJKMNP-TV-Z]{26}$"))
        .description(Some("The same wherever the change appears, so that receivers can drop duplicates"));
    Cursor, "Cursor" => text()
        .pattern(Some("^[0-9a-f]{24}$"))
        .description(Some("A place in the journal, opaque to clients: the feed continues after it"));
    ChangeType, "ChangeType" => text().enum_values(Some(ChangeType::ALL.map(ChangeType::as_str)));
    Format, "CallbackFormat" => text().enum_values(Some(Format::ALL.map(Format::as_str)));
    Mode, "HookMode" => text().enum_values(Some(Mode::ALL.map(Mode::as_str)));
    HookStatus, "HookStatus" => text().enum_values(Some(["active", "paused", "disabled"]));
    DisableReason, "DisableReason" => text().enum_values(Some(DisableReason::ALL.map(DisableReason::as_str)));
    Scope, "TokenScope" => text().enum_values(Some(Scope::ALL.map(Scope::as_str)));
}
