//! The names of characters in HTML for ASCII, Latin-1 and Windows-1252. XML's five are among them.

/// The longest of the names.
pub(super) const LONGEST: usize = 16;
/// The longest that browsers read without a semicolon.
pub(super) const LONGEST_BARE: usize = 6;

/// The character of a name that ends with a semicolon.
pub(super) fn named(name: &[u8]) -> Option<char> {
    among(&CLOSED, name).or_else(|| bare(name))
}

/// The character of a name that may end without one.
pub(super) fn bare(name: &[u8]) -> Option<char> {
    among(&BARE, name)
}

fn among(names: &[(&str, char)], name: &[u8]) -> Option<char> {
    let place = names.binary_search_by(|(known, _)| known.as_bytes().cmp(name)).ok()?;
    Some(names[place].1)
}

/// Names that want their semicolon, sorted.
const CLOSED: [(&str, char); 78] = [
    ("Cedilla", '¸'),
    ("CenterDot", '·'),
    ("Dagger", '‡'),
    ("DiacriticalGrave", '`'),
    ("Dot", '¨'),
    ("DoubleDot", '¨'),
    ("Hat", '^'),
    ("NewLine", '\n'),
    ("NonBreakingSpace", '\u{a0}'),
    ("OElig", 'Œ'),
    ("PlusMinus", '±'),
    ("Scaron", 'Š'),
    ("Tab", '\t'),
    ("UnderBar", '_'),
    ("VerticalLine", '|'),
    ("Yuml", 'Ÿ'),
    ("Zcaron", 'Ž'),
    ("angst", 'Å'),
    ("apos", '\''),
    ("ast", '*'),
    ("bdquo", '„'),
    ("bsol", '\\'),
    ("bull", '•'),
    ("centerdot", '·'),
    ("circ", 'ˆ'),
    ("circledR", '®'),
    ("colon", ':'),
    ("comma", ','),
    ("commat", '@'),
    ("dagger", '†'),
    ("die", '¨'),
    ("div", '÷'),
    ("dollar", '$'),
    ("equals", '='),
    ("euro", '€'),
    ("excl", '!'),
    ("fnof", 'ƒ'),
    ("grave", '`'),
    ("half", '½'),
    ("hellip", '…'),
    ("lbrace", '{'),
    ("lbrack", '['),
    ("lcub", '{'),
    ("ldquo", '“'),
    ("lowbar", '_'),
    ("lpar", '('),
    ("lsaquo", '‹'),
    ("lsqb", '['),
    ("lsquo", '‘'),
    ("mdash", '—'),
    ("midast", '*'),
    ("ndash", '–'),
    ("num", '#'),
    ("oelig", 'œ'),
    ("percnt", '%'),
    ("period", '.'),
    ("permil", '‰'),
    ("plus", '+'),
    ("pm", '±'),
    ("quest", '?'),
    ("rbrace", '}'),
    ("rbrack", ']'),
    ("rcub", '}'),
    ("rdquo", '”'),
    ("rpar", ')'),
    ("rsaquo", '›'),
    ("rsqb", ']'),
    ("rsquo", '’'),
    ("sbquo", '‚'),
    ("scaron", 'š'),
    ("semi", ';'),
    ("sol", '/'),
    ("strns", '¯'),
    ("tilde", '˜'),
    ("trade", '™'),
    ("verbar", '|'),
    ("vert", '|'),
    ("zcaron", 'ž'),
];

/// Names that browsers read without a semicolon as well, sorted.
const BARE: [(&str, char); 104] = [
    ("AElig", 'Æ'),
    ("AMP", '&'),
    ("Aacute", 'Á'),
    ("Acirc", 'Â'),
    ("Agrave", 'À'),
    ("Aring", 'Å'),
    ("Atilde", 'Ã'),
    ("Auml", 'Ä'),
    ("Ccedil", 'Ç'),
    ("ETH", 'Ð'),
    ("Eacute", 'É'),
    ("Ecirc", 'Ê'),
    ("Egrave", 'È'),
    ("Euml", 'Ë'),
    ("GT", '>'),
    ("Iacute", 'Í'),
    ("Icirc", 'Î'),
    ("Igrave", 'Ì'),
    ("Iuml", 'Ï'),
    ("LT", '<'),
    ("Ntilde", 'Ñ'),
    ("Oacute", 'Ó'),
    ("Ocirc", 'Ô'),
    ("Ograve", 'Ò'),
    ("Oslash", 'Ø'),
    ("Otilde", 'Õ'),
    ("Ouml", 'Ö'),
    ("QUOT", '"'),
    ("THORN", 'Þ'),
    ("Uacute", 'Ú'),
    ("Ucirc", 'Û'),
    ("Ugrave", 'Ù'),
    ("Uuml", 'Ü'),
    ("Yacute", 'Ý'),
    ("aacute", 'á'),
    ("acirc", 'â'),
    ("acute", '´'),
    ("aelig", 'æ'),
    ("agrave", 'à'),
    ("amp", '&'),
    ("aring", 'å'),
    ("atilde", 'ã'),
    ("auml", 'ä'),
    ("brvbar", '¦'),
    ("ccedil", 'ç'),
    ("cedil", '¸'),
    ("cent", '¢'),
    ("copy", '©'),
    ("curren", '¤'),
    ("deg", '°'),
    ("divide", '÷'),
    ("eacute", 'é'),
    ("ecirc", 'ê'),
    ("egrave", 'è'),
    ("eth", 'ð'),
    ("euml", 'ë'),
    ("frac12", '½'),
    ("frac14", '¼'),
    ("frac34", '¾'),
    ("gt", '>'),
    ("iacute", 'í'),
    ("icirc", 'î'),
    ("iexcl", '¡'),
    ("igrave", 'ì'),
    ("iquest", '¿'),
    ("iuml", 'ï'),
    ("laquo", '«'),
    ("lt", '<'),
    ("macr", '¯'),
    ("micro", 'µ'),
    ("middot", '·'),
    ("nbsp", '\u{a0}'),
    ("not", '¬'),
    ("ntilde", 'ñ'),
    ("oacute", 'ó'),
    ("ocirc", 'ô'),
    ("ograve", 'ò'),
    ("ordf", 'ª'),
    ("ordm", 'º'),
    ("oslash", 'ø'),
    ("otilde", 'õ'),
    ("ouml", 'ö'),
    ("para", '¶'),
    ("plusmn", '±'),
    ("pound", '£'),
    ("quot", '"'),
    ("raquo", '»'),
    ("reg", '®'),
    ("sect", '§'),
    ("shy", '\u{ad}'),
    ("sup1", '¹'),
    ("sup2", '²'),
    ("sup3", '³'),
    ("szlig", 'ß'),
    ("thorn", 'þ'),
    ("times", '×'),
    ("uacute", 'ú'),
    ("ucirc", 'û'),
    ("ugrave", 'ù'),
    ("uml", '¨'),
    ("uuml", 'ü'),
    ("yacute", 'ý'),
    ("yen", '¥'),
    ("yuml", 'ÿ'),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_html() {
        let check = |name: &str, want: Option<char>| assert_eq!(named(name.as_bytes()), want, "{name}");
        check("amp", Some('&'));
        check("sol", Some('/'));
        check("nbsp", Some('\u{a0}'));
        check("Uuml", Some('Ü'));
        check("divide", Some('÷'));
        check("yuml", Some('ÿ'));
        check("euro", Some('€'));
        check("Zcaron", Some('Ž'));
        check("", None);
        check("UUML", None);
        assert_eq!(bare(b"sol"), None, "browsers want its semicolon");
        for (names, longest) in [(&CLOSED[..], LONGEST), (&BARE[..], LONGEST_BARE)] {
            assert!(names.is_sorted_by(|one, other| one.0 < other.0));
            assert_eq!(names.iter().map(|(name, _)| name.len()).max(), Some(longest));
        }
    }
}
