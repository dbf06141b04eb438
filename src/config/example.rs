//! The example of a configuration, which has every key.

/// Every key with its default and what it does.
pub const EXAMPLE: &str = include_str!("../../config.example.toml");

/// Every key there is, read from the example, which a test holds to be complete.
pub(super) fn known_keys() -> impl Iterator<Item = &'static str> {
    EXAMPLE.lines().filter_map(|line| {
        let line = line.trim_start_matches(['#', ' ']);
        match line.strip_prefix('[') {
            Some(section) => section.trim_matches(['[', ']']).split('.').next_back(),
            None => line.split_once(" = ").map(|(key, _)| key).filter(|key| !key.contains(' ')),
        }
    })
}
