//! The same value in another form, which has to come through: a time as another zone writes it, and a text of the owner's
//! with anything in it.

use super::{Page, play};
use crate::driver::Coverage;
use crate::driver::conformance::document::{Edit, Node};
use crate::driver::conformance::{Suite, times};
use crate::model::{Instance, Resource, Timestamp};

/// What an owner may well call something: no letter of it may be lost, changed or cut off.
const ODD: &str = "Zw\u{f6}lf <b>&amp; \"Boxk\u{e4}mpfer\"</b> 'jagen' 100%41 Viktor+s, {\"\u{732b}\": [1]} \u{1f408} \
                   \u{dc}ber_den/gro\u{df}en:Deich;a=b\\n|~^`$# 0123456789-0123456789-0123456789-0123456789 END";

/// An hour and a half to the east, as no server and no cloud is.
const EAST: i32 = 90 * 60;

/// What is wrong with what comes of a member in another form, if anything is.
pub(super) async fn fault(suite: &Suite, page: &Page<'_>, (entry, node): (usize, &Node)) -> Option<String> {
    let text = node.text.as_deref()?;
    let instance = only_instance(page, entry)?;
    if let Some(written) = elsewhere(text).filter(|_| is_launch(text, instance)) {
        let now = listed(suite, page, (node, &written), instance).await?;
        return match now {
            Err(came) => Some(format!("is written as {written}, a list was expected, and {came} came")),
            Ok(now) if now.launched_at.is_none() || now.launched_at == instance.launched_at => None,
            Ok(now) => Some(format!(
                "is written as {written}, it was launched at {}: an offset is a part of a time",
                now.launched_at.map_or_else(String::new, |at| at.to_string())
            )),
        };
    }
    let is_name = instance.name.as_deref() == Some(text);
    let label = instance.labels.iter().position(|(key, value)| text.len() > 1 && (key == text || value == text));
    if !is_name && label.is_none() || page.entries[entry].ids.contains(text) {
        return None;
    }
    let now = match listed(suite, page, (node, ODD), instance).await? {
        Err(came) => return Some(format!("has letters of every kind in it, a list was expected, and {came} came")),
        Ok(now) => now,
    };
    if is_name && now.name != instance.name && now.name.as_deref() != Some(ODD) {
        return Some(format!("is {ODD:?}, its name is {:?}", now.name.as_deref().unwrap_or_default()));
    }
    let is_kept = |(key, value): &(_, _)| {
        instance.labels.iter().any(|(k, v)| (k, v) == (key, value)) || *key == ODD || *value == ODD
    };
    let changed = now.labels.iter().find(|label| !is_kept(label));
    if let Some((key, value)) = changed {
        return Some(format!("is {ODD:?}, it has the label {key:?} with {value:?}"));
    }
    (now.labels.len() < instance.labels.len()).then(|| format!("is {ODD:?}, it has fewer labels"))
}

/// The instance of an entry that holds one alone.
fn only_instance<'a>(page: &'a Page<'_>, entry: usize) -> Option<&'a Instance> {
    let ids = &page.entries[entry].ids;
    let mut found = page.case.run.resources().iter().filter(|resource| ids.contains(resource.id().as_str()));
    match (found.next(), found.next()) {
        (Some(Resource::Instance(instance)), None) => Some(instance),
        _ => None,
    }
}

fn is_launch(text: &str, instance: &Instance) -> bool {
    let seconds = |at: Timestamp| at.as_seconds();
    times::instant(text).is_some_and(|at| instance.launched_at.map(seconds) == Some(seconds(at)))
}

/// The same instant by another clock; none where it is written in another form than RFC 3339's.
fn elsewhere(text: &str) -> Option<String> {
    let at: jiff::Timestamp = text.parse().ok()?;
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::Offset::from_seconds(EAST).ok()?);
    Some(at.to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string())
}

/// The instance as it is listed with another text in the place of a node's, or what came in the place of the list. None
/// where the list is partial, or has another instance: that is for others to judge.
async fn listed(
    suite: &Suite,
    page: &Page<'_>,
    (node, text): (&Node, &str),
    instance: &Instance,
) -> Option<Result<Instance, String>> {
    let run = play(suite, page, &[(node.place.clone(), Edit::Text(text.to_owned()))]).await;
    let Ok(listing) = &run.outcome else { return Some(Err(run.came())) };
    if matches!(listing.coverage, Coverage::Partial(_) | Coverage::Misfit(_)) {
        return None;
    }
    let own = listing.resources.iter().find(|resource| *resource.id() == instance.id);
    match own {
        Some(Resource::Instance(own)) => Some(Ok(own.clone())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_the_same_by_another_clock() {
        let check = |text: &str, want: Option<&str>| assert_eq!(elsewhere(text).as_deref(), want, "{text}");
        check("2026-03-14T23:26:50Z", Some("2026-03-15T00:56:50+01:30"));
        check("2026-03-14T09:26:50.25+00:00", Some("2026-03-14T10:56:50.25+01:30"));
        check("1795168800", None);
        check("running", None);
    }
}
