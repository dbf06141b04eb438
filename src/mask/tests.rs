//! Secrets that the mask finds, and texts that it leaves alone. The escapers here are independent of the code that
//! reads escapes.

mod escaping;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;
use escaping::{escaped, hex, percent};

fn mask(secrets: &[&str]) -> Mask {
    Mask::of(secrets.iter().map(|secret| secret.as_bytes()))
}

fn applied(mask: &Mask, text: &str) -> String {
    mask.apply(text.as_bytes()).map_or(text.to_owned(), |masked| String::from_utf8(masked).expect("text"))
}

fn in_chunks(mask: &Mask, text: &[u8], chunk: usize) -> Vec<u8> {
    let mut masker = Masker::default();
    let mut out = Vec::new();
    for piece in text.chunks(chunk) {
        out.extend_from_slice(&masker.push(mask, Bytes::copy_from_slice(piece)));
    }
    out.extend_from_slice(&masker.finish(mask));
    out
}

#[test]
fn secrets_are_masked_however_they_are_cut() {
    let check = |secrets: &[&str], text: &str, want: &str| {
        let mask = mask(secrets);
        for chunk in 1..=text.len().max(1) {
            let masked = in_chunks(&mask, text.as_bytes(), chunk);
            assert_eq!(String::from_utf8_lossy(&masked), want, "in chunks of {chunk}");
        }
        assert_eq!(applied(&mask, text), want);
        assert_eq!(mask.is_in(text.as_bytes()), text != want);
    };
    check(&["s3cretword"], "", "");
    check(&["s3cretword"], "nothing here", "nothing here");
    check(&["s3cretword"], "s3cretword", "[secret]");
    check(&["s3cretword"], "a s3cretword, s3cretwors3cretword!", "a [secret], s3cretwor[secret]!");
    check(&["s3cretword"], "s3cretwords3cretword", "[secret][secret]");
    check(&["s3cret", "s3cretword"], "xs3cretwordx s3cretx", "x[secret]x [secret]x");
    check(&["aaaaaa"], "aaaaaaaaaaaaaaa", "[secret][secret]aaa");
    check(&["short"], "short secrets stay", "short secrets stay");
    check(&["sl/ash\"ed"], r#"{"a":"sl\/ash\"ed","b":"sl\u002fash\u0022ed"}"#, r#"{"a":"[secret]","b":"[secret]"}"#);
    check(&["sl/ash\"ed"], "<a>sl&#x2F;ash&quot;ed</a>", "<a>[secret]</a>");
    // Within a document within a document, whatever they begin or end with.
    check(&["<t0ken>"], "&lt;a&gt;&lt;t0ken&gt;&lt;/a&gt;", "&lt;a&gt;[secret]&lt;/a&gt;");
    check(&["&lt;t0ken"], "&lt;&lt;t0ken&lt;", "&lt;[secret]&lt;");
    check(
        &["sl/ash\"ed"],
        "&lt;a&gt;c2wvYXNoImVk&lt;/a&gt;&quot;736C2F617368226564&quot;",
        "&lt;a&gt;[secret]&lt;/a&gt;&quot;[secret]&quot;",
    );
    // Digits in references without their semicolons, which follow one another.
    let digits = "dop_v1_4f7a91Ü0";
    let decimal: String = digits.chars().map(|c| format!("&#{}", u32::from(c))).collect();
    let hexadecimal: String = digits.chars().map(|c| format!("&#x{:x}", u32::from(c))).collect();
    for text in [decimal.as_str(), &hexadecimal, &decimal.replace('&', "&amp;"), &hexadecimal.replace('&', "\\u0026")] {
        check(&[digits], &format!("<a>{text}</a>"), "<a>[secret]</a>");
    }
    check(&["sl/ash\"ed"], "x=c2wvYXNoImVk&y=736C2F617368226564.", "x=[secret]&y=[secret].");
    check(&["sl/ash\"ed"], "c2wvYX\r\nNoImVk", "[secret]");
    // What stands for a secret is no secret.
    check(&["secret"], "my secret", "my [***]");
}

/// Each escape by name, of a secret that has a character for each.
#[test]
fn every_escape_is_read() {
    let secret = "pa/ss&wo<r>d \"q'Ü😀";
    let mask = mask(&[secret]);
    let check = |name: &str, text: &str| {
        for (before, after) in [("", ""), ("x=\"", "\", y"), ("<a>", "</a>"), ("%2", "5"), ("\\n", "\\"), ("&", ";")] {
            let masked = applied(&mask, &format!("{before}{text}{after}"));
            assert_eq!(masked, format!("{before}[secret]{after}"), "{name}");
        }
    };
    check("as it is", secret);
    check("JSON", r#"pa/ss&wo<r>d \"q'Ü😀"#);
    check("JSON of PHP", r#"pa\/ss&wo<r>d \"q'\u00dc\ud83d\ude00"#);
    check("JSON of Go", r#"pa/ss\u0026wo\u003cr\u003ed \"q'Ü😀"#);
    check("JSON, upper-case", r#"pa\u002Fss\u0026wo\u003Cr\u003Ed\u0020\u0022q\u0027\u00DC\uD83D\uDE00"#);
    check(
        "JSON, all of it",
        &"pa/ss&wo<r>d \"q'Ü😀".encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<String>(),
    );
    check("a literal of Rust", r#"pa/ss&wo<r>d \"q\'\u{dc}\u{1f600}"#);
    check("a literal of Python", r#"pa/ss&wo<r>d "q\'\xdc\U0001f600"#);
    check("bytes of Python", r#"pa/ss&wo<r>d "q\'\xc3\x9c\xf0\x9f\x98\x80"#);
    check("XML", "pa/ss&amp;wo&lt;r&gt;d &quot;q&apos;Ü😀");
    check("XML, decimal", "pa&#47;ss&#38;wo&#60;r&#62;d&#32;&#34;q&#39;&#220;&#128512;");
    check("XML, hexadecimal", "pa&#x2f;ss&#x26;wo&#x3C;r&#x3E;d&#x20;&#x22;q&#X27;&#xdc;&#x1F600;");
    check("XML, leading zeros", "pa&#00047;ss&#x00026;wo&#0060;r&#x000003e;d &#034;q&#0039;&#x00DC;&#0128512;");
    check("XML, surrogates", "pa/ss&amp;wo&lt;r>d \"q'Ü&#xD83D;&#xDE00;");
    check("HTML, names", "pa&sol;ss&AMP;wo&LT;r&GT;d &QUOT;q&apos;&Uuml;😀");
    check(
        "HTML, without semicolons",
        "pa&#47ss&ampwo&ltr&gtd &quot\"q'Ü😀".replace("&quot\"", "&quotq").replace("qq", "q").as_str(),
    );
    check("lines", "pa/s\ns&wo\r\n<r>d \"q'Ü\n😀");
    check("lines of JSON", r#"pa\/s\ns&wo<r>\r\nd \"q'Ü😀"#);
    check("what nobody sees", "pa/\u{200b}ss&\u{ad}wo<r>d\u{2060} \"q'\u{feff}Ü😀");
    check("what nobody sees, escaped", r#"pa/\u200bss&amp;&shy;wo<r>d%E2%80%8D \"q'Ü😀"#);
    check("NULs", "p\0a\0/\0\0\0ss&wo<r>d \"q'Ü😀");
    check("NULs, escaped", r#"p\u0000a/&#0;ss%00&wo<r>d \"q'Ü😀"#);
    check("percent", &percent(secret, "", true));
    check("percent, lower-case", &percent(secret, "", false));
    check("percent but for the unreserved", &percent(secret, "-._~", true));
    check("percent but for what paths have", &percent(secret, "-._~!$&'()*+,;=:@/", false));
    check("a form", &percent(secret, "*-._", true).replace("%20", "+"));
    check("escape() of JavaScript", "pa/ss%26wo%3Cr%3Ed%20%22q%27%DC%uD83D%uDE00");
    check("JSON in JSON", r#"pa\\\/ss\\u0026wo<r>d \\\"q'\\u00dc\\ud83d\\ude00"#);
    check("JSON in JSON in JSON", r#"pa\\\\\\\/ss\\\\u0026wo<r>d \\\\\\\"q'Ü\\\\ud83d\\\\ude00"#);
    check("percent twice", &percent(&percent(secret, "", true), "", false));
    check("percent three times", &percent(&percent(&percent(secret, "", true), "", true), "", true));
    check("XML in XML", "pa/ss&amp;amp;wo&amp;lt;r&amp;gt;d &amp;quot;q&amp;#39;Ü&amp;#x1f600;");
    check("XML in JSON", r#"pa\/ss\u0026amp;wo\u0026lt;r\u0026gt;d \u0026quot;q'\u00dc😀"#);
    check("JSON in XML", "pa\\/ss&amp;wo&lt;r&gt;d \\&quot;q&#39;\\u00dc😀");
    check("JSON in a query", &percent(r#"pa\/ss\u0026wo<r>d \"q'\u00dc😀"#, "", true));
    check("some of it", r#"p%61\/ss&#x26;wo\u003cr&gt;d+&quot;q\'%c3%9c😀"#);
    check("hexadecimal", &hex(secret, false));
    check("hexadecimal, upper-case", &hex(secret, true));
}

#[test]
fn digits_are_read_wherever_a_secret_stands_in_them() {
    let secret = "p/ss\"wo&rdÜ";
    let mask = mask(&[secret]);
    let gone = |text: &str| {
        let masked = applied(&mask, text);
        assert!(masked.contains("[secret]"), "{text}");
        assert!(!mask.is_in(masked.as_bytes()), "{masked}");
    };
    let json = r#"p\/ss\"wo\u0026rd\u00dc"#;
    for before in ["", "1", "12", "123", "user:", "{\"token\":\""] {
        for after in ["", "!", "!?", "!?!", "\"}"] {
            for form in [secret, json, "p/ss&quot;wo&amp;rdÜ", r#"p\\\/ss\\\"wo&rdÜ"#] {
                let text = format!("{before}{form}{after}");
                for digits in [
                    STANDARD.encode(&text),
                    STANDARD_NO_PAD.encode(&text),
                    URL_SAFE.encode(&text),
                    URL_SAFE_NO_PAD.encode(&text),
                    hex(&text, true),
                    hex(&text, false),
                ] {
                    gone(&digits);
                    gone(&format!("Basic {digits}"));
                    gone(&format!("/path/{digits}.json"));
                    gone(&percent(&digits, "", false));
                    gone(&serde_json::to_string(&digits).expect("JSON").replace('/', "\\/").replace('+', "\\u002b"));
                    let lines: Vec<String> =
                        digits.as_bytes().chunks(5).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
                    gone(&lines.join("\n"));
                    gone(&lines.join("\r\n  "));
                    gone(&lines.join("\\n"));
                }
            }
        }
    }
}

#[test]
fn other_encodings_are_read() {
    for secret in ["plain/ascii+key", "pässwörd", "gr€€n–tea„", "пароль-Ω", "🔑and🔑 lock"] {
        let mask = mask(&[secret]);
        let latin = |c: char| match c {
            '€' => 0x80,
            '–' => 0x96,
            '„' => 0x84,
            other => u8::try_from(u32::from(other)).unwrap_or(b'?'),
        };
        let utf_16 = |bytes: fn(u16) -> [u8; 2]| secret.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
        let utf_32 = |bytes: fn(u32) -> [u8; 4]| secret.chars().map(u32::from).flat_map(bytes).collect::<Vec<u8>>();
        let mut encoded = vec![
            utf_16(u16::to_le_bytes),
            utf_16(u16::to_be_bytes),
            utf_32(u32::to_le_bytes),
            utf_32(u32::to_be_bytes),
        ];
        if !secret.contains(['Ω', '🔑']) {
            encoded.push(secret.chars().map(latin).collect());
        }
        for bytes in encoded {
            let digits = [STANDARD.encode(&bytes), URL_SAFE_NO_PAD.encode([&b"x"[..], &bytes].concat())];
            let percent: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
            for text in [bytes.as_slice(), digits[0].as_bytes(), digits[1].as_bytes(), percent.as_bytes()] {
                let text = [b"<a>", text, b"</a>"].concat();
                let masked = mask.apply(&text).unwrap_or_else(|| panic!("{secret} in {text:?}"));
                assert!(!mask.is_in(&masked) && masked.len() < text.len() + 8, "{secret} in {text:?}: {masked:?}");
            }
        }
    }
}

#[test]
fn a_secret_whose_end_is_cut_off_is_masked() {
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let mask = mask(&[secret]);
    for (kept, is_masked) in [(15, false), (19, false), (20, true), (30, true), (39, true)] {
        for (before, after) in [("", ""), ("key=", "..."), ("\"", "…\", more")] {
            let (text, want) = (format!("{before}{}{after}", &secret[..kept]), format!("{before}[secret]{after}"));
            assert_eq!(applied(&mask, &text), if is_masked { want } else { text.clone() }, "{kept} of 40");
        }
    }
    let masked = applied(&mask, &STANDARD.encode(&secret[..30]));
    assert!(masked.starts_with("[secret]"), "{masked}");
}

#[test]
fn near_misses_stay() {
    let mask = mask(&["pa/ss wo&rd", "s3cretword", "%2fabc\\n"]);
    for text in [
        "pa/ss wo&r",
        "a/ss wo&rd",
        "pa/ss wo&amprx",
        "PA/SS WO&RD",
        "pa%2Gss wo&rd",
        "pa/ss  wo&rd",
        "pa&#47x;ss wo&rd",
        "pa\\u002ss wo&rd",
        "s3cret word",
        "s3cretwor",
        "s3cret-word",
        "/abc\\n",
        "%2fabc\n",
        "c3MzcmV0d29y",
        "73336372657477",
        "%",
        "%2",
        "\\",
        "\\u",
        "\\u00",
        "&",
        "&#",
        "&#x",
        "&amp",
        "a%2fabc",
        "&#99999999999999999999999999999999999999;",
        "\\ud83d",
        "\\ud83dx",
        "%uD83D",
        "\\ud83d\\u0041",
        "%uD83D%u0041",
        "&#xd83d;&#65;",
        "\\u{}",
        "\\u{110000}",
    ] {
        assert_eq!(applied(&mask, text), text);
        assert!(!mask.is_in(text.as_bytes()));
    }
}

/// Characters that escapes are made of, and that must be escaped, more often than others.
fn any_char() -> impl Strategy<Value = char> {
    prop_oneof![
        4 => prop::char::range('!', '~'),
        3 => prop::sample::select(r#"\&%+/"'<>;#=-_.~ xu0123aAfFnt{}"#.chars().collect::<Vec<_>>()),
        1 => prop::sample::select("ÜüéßŁ€日😀🔑\u{a0}\u{7f}\n\t".chars().collect::<Vec<_>>()),
    ]
}

fn any_secret() -> impl Strategy<Value = String> {
    prop::collection::vec(any_char(), 6..24).prop_map(String::from_iter)
}

fn any_text() -> impl Strategy<Value = String> {
    prop::collection::vec(any_char(), 0..12).prop_map(String::from_iter)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_decodes_to_the_secret_remains(
        secret in any_secret(),
        choices in prop::collection::vec(any::<u8>(), 1..200),
        depth in 0..=DEPTH,
        before in any_text(),
        after in any_text(),
        chunk in 1..40_usize,
    ) {
        let mut choices = choices.into_iter().cycle();
        let form = (0..depth).fold(secret.clone(), |form, _| escaped(&form, &mut choices));
        let text = format!("{before}{form}{after}");
        let mask = mask(&[&secret]);
        prop_assert!(mask.is_in(text.as_bytes()), "{secret:?} is not found in {text:?}");
        let masked = mask.apply(text.as_bytes()).expect("it is in there");
        // It may begin before, with what only looks like a part of it, and end behind.
        prop_assert!(!masked.windows(form.len()).any(|window| window == form.as_bytes()));
        prop_assert!(!mask.is_in(&masked), "{secret:?} is left in {:?}", String::from_utf8_lossy(&masked));
        // No more than that is held back.
        if text.len() <= LEAST_HELD {
            prop_assert_eq!(in_chunks(&mask, text.as_bytes(), chunk), masked);
        }
    }

    #[test]
    fn it_is_found_in_digits_as_well(
        secret in any_secret(),
        choices in prop::collection::vec(any::<u8>(), 1..200),
        inner in 0..=DEPTH_IN_DIGITS,
        outer in 0..=DEPTH,
        before in any_text(),
        after in any_text(),
        code in 0..4_usize,
        chunk in 1..40_usize,
    ) {
        let mut choices = choices.into_iter().cycle();
        let form = (0..inner).fold(secret.clone(), |form, _| escaped(&form, &mut choices));
        let said = format!("{before}{form}{after}");
        let digits =
            [STANDARD.encode(&said), URL_SAFE_NO_PAD.encode(&said), hex(&said, true), hex(&said, false)][code].clone();
        let text = (0..outer).fold(digits, |form, _| escaped(&form, &mut choices));
        let mask = mask(&[&secret]);
        let masked = mask.apply(text.as_bytes());
        prop_assert!(masked.is_some(), "{secret:?} is not found in {text:?}");
        let masked = masked.unwrap_or_default();
        prop_assert!(!mask.is_in(&masked));
        // No more than that is held back.
        if text.len() <= LEAST_HELD {
            prop_assert_eq!(in_chunks(&mask, text.as_bytes(), chunk), masked);
        }
    }

    /// A text of other characters stays as it is, however it is escaped.
    #[test]
    fn what_has_no_secret_stays(
        secret in "[a-m/&\"]{6,20}",
        text in "[n-zA-Z0-9/&\"%\\\\;#+= ]{0,80}",
        choices in prop::collection::vec(any::<u8>(), 1..200),
        depth in 0..=2_usize,
        chunk in 1..40_usize,
    ) {
        prop_assume!(secret.bytes().any(|byte| byte.is_ascii_lowercase()));
        let mut choices = choices.into_iter().cycle();
        let text = (0..depth).fold(text, |form, _| escaped(&form, &mut choices));
        // An escape that the text had by chance may stand for any character.
        let mask = mask(&[&secret]);
        prop_assume!(depth == 0 && !text.contains(['%', '\\', '&']) || !mask.is_in(text.as_bytes()));
        prop_assert_eq!(mask.apply(text.as_bytes()), None);
        prop_assert_eq!(in_chunks(&mask, text.as_bytes(), chunk), text.as_bytes());
    }

    #[test]
    fn any_bytes_are_gone_through(
        secret in prop::collection::vec(any::<u8>(), 6..40),
        text in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\\'), Just(b'&'), Just(b'%'), Just(b'u')], 0..200),
        chunk in 1..40_usize,
    ) {
        let mask = Mask::of([secret.as_slice()]);
        let whole = mask.apply(&text).unwrap_or_else(|| text.clone());
        prop_assert_eq!(in_chunks(&mask, &text, chunk), whole);
    }
}

/// What a secret begins with, over and over, would have each place read to its end.
#[test]
fn a_text_that_takes_too_long_is_masked() {
    let secret = format!("{}b", "a".repeat(4000));
    let mask = mask(&[&secret]);
    let text = format!("{}c", "a".repeat(3999)).repeat(20);
    let masked = applied(&mask, &text);
    assert!(masked.contains("[secret]") && masked.len() < text.len() / 2, "{}", masked.len());
    let honest = format!("{secret}, and no more. ").repeat(100);
    assert_eq!(applied(&mask, &honest), "[secret], and no more. ".repeat(100));
}

/// Where a chunk ends in what may be a secret for ever, it is held back no longer than a secret can be.
#[test]
fn not_all_is_held_back() {
    let mask = mask(&["s3cretword"]);
    let mut masker = Masker::default();
    let text = format!("cz{}", "Nj\n".repeat(100_000));
    let held = text.as_bytes().chunks(100).fold((0, 0), |(given, most), chunk| {
        let given = given + masker.push(&mask, Bytes::copy_from_slice(chunk)).len();
        (given, most.max(masker.held.len()))
    });
    assert!(held.1 <= 2 * mask.most_held() + 100, "{held:?}");
}
