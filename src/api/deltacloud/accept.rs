//! Decides whether a client prefers XML to JSON (RFC 9110, 12.5.1). Pure.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

/// A request whose answer is to be XML. Its clients do not follow links from page to page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InXml;

/// JSON is what there is where the client does not care.
pub(super) fn prefers_xml(headers: &HeaderMap) -> bool {
    let values: Vec<&str> = headers.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok()).collect();
    let ranges: Vec<Range<'_>> = values.iter().flat_map(|value| value.split(',')).map(Range::read).collect();
    let xml = quality(&ranges, "application", "xml").max(quality(&ranges, "text", "xml"));
    xml > quality(&ranges, "application", "json")
}

/// One of the media ranges of `Accept`.
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// In thousandths.
    quality: u16,
}

impl<'a> Range<'a> {
    /// One that can't be read is as good as none.
    fn read(text: &'a str) -> Range<'a> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next().and_then(|name| name.split_once('/')).unwrap_or(("", ""));
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let quality = quality.map_or(Some(1.0), |text| text.trim().parse::<f32>().ok());
        let quality = quality.filter(|quality| (0.0..=1.0).contains(quality)).unwrap_or(0.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to 1000")]
        Range { kind, subtype, quality: (quality * 1000.0) as u16 }
    }

    /// How closely it names that type; none if it does not.
    fn closeness(&self, kind: &str, subtype: &str) -> Option<u8> {
        match (self.kind.eq_ignore_ascii_case(kind), self.subtype.eq_ignore_ascii_case(subtype)) {
            (true, true) => Some(2),
            (true, false) if self.subtype == "*" => Some(1),
            (false, _) if self.kind == "*" && self.subtype == "*" => Some(0),
            _ => None,
        }
    }
}

/// What the closest range says of a type.
fn quality(ranges: &[Range<'_>], kind: &str, subtype: &str) -> u16 {
    let closest = ranges.iter().filter_map(|range| Some((range.closeness(kind, subtype)?, range.quality))).max();
    closest.map_or(0, |(_, quality)| quality)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_greater_quality_wins_and_json_a_draw() {
        let check = |accept: &[&'static str], want: bool| {
            let mut headers = HeaderMap::new();
            for value in accept {
                headers.append(ACCEPT, HeaderValue::from_static(value));
            }
            assert_eq!(prefers_xml(&headers), want, "{accept:?}");
        };
        check(&[], false);
        check(&["*/*"], false);
        check(&["application/*"], false);
        check(&["application/xml"], true);
        check(&["text/xml"], true);
        check(&["Application/XML; charset=utf-8"], true);
        check(&["application/json"], false);
        check(&["application/xml, application/json"], false);
        check(&["application/xml", "application/json;q=0.9"], true);
        check(&["application/xml;q=0.5, application/json;q=0.9"], false);
        check(&["application/xml;q=0"], false);
        check(&["application/xml, */*;q=0.1"], true);
        check(&["application/json;q=0.1, */*"], true);
        check(&["*/*;q=0.8, application/xml;q=0.5"], false);
        check(&["xml", "application/xml;q=x"], false);
        check(&["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"], true);
    }
}
