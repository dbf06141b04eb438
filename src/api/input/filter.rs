//! Filters of changes as requests write them. A hook's JSON has an array for each list. The feed's query has the same
//! lists with commas; `\,` is a comma and `\\` a backslash within an item, as in Kubernetes' field selectors. A filter
//! that nothing can match is refused. Pure.

use super::json::{BodyError, Object};
use super::parameters::{ParameterError, Parameters};
use crate::model::{ChangeType, Filter, FilterList, IdPattern, Kind, ResourceId, State};

/// The lists of a filter. All that are not empty have to let a change through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    Kinds,
    Ids,
    Realms,
    Types,
    From,
    To,
}

impl List {
    pub(crate) const ALL: [List; 6] = [List::Kinds, List::Ids, List::Realms, List::Types, List::From, List::To];

    /// What it is called in a hook.
    pub(crate) fn member(self) -> &'static str {
        match self {
            List::Kinds => "kinds",
            List::Ids => "ids",
            List::Realms => "realms",
            List::Types => "types",
            List::From => "from",
            List::To => "to",
        }
    }

    /// What it is called in the feed's query.
    fn parameter(self) -> &'static str {
        match self {
            List::Kinds => "kind",
            List::Ids => "id",
            List::Realms => "realm_id",
            List::Types => "type",
            List::From => "from",
            List::To => "to",
        }
    }

    pub(crate) fn is_empty(self, filter: &Filter) -> bool {
        match self {
            List::Kinds => filter.kinds.is_empty(),
            List::Ids => filter.ids.is_empty(),
            List::Realms => filter.realms.is_empty(),
            List::Types => filter.types.is_empty(),
            List::From => filter.from.is_empty(),
            List::To => filter.to.is_empty(),
        }
    }

    /// Adds one value to the list; the error says what it may be.
    fn add(self, text: &str, filter: &mut Filter) -> Result<(), String> {
        match self {
            List::Kinds => filter.kinds.push(one_of(text, &Kind::ALL, Kind::as_str)?),
            List::Types => filter.types.push(one_of(text, &ChangeType::ALL, ChangeType::as_str)?),
            List::From => filter.from.push(one_of(text, &State::ALL, State::as_str)?),
            List::To => filter.to.push(one_of(text, &State::ALL, State::as_str)?),
            List::Ids => {
                filter.ids.push(
                    IdPattern::parse(text).map_err(|error| format!("is not an id, nor a prefix with *: {error}"))?,
                );
            }
            List::Realms => {
                let realm = ResourceId::parse(text).map_err(|error| format!("is not a realm id: {error}"))?;
                filter.realms.push(realm.into_string());
            }
        }
        Ok(())
    }
}

impl From<FilterList> for List {
    fn from(list: FilterList) -> List {
        match list {
            FilterList::Kinds => List::Kinds,
            FilterList::Types => List::Types,
            FilterList::From => List::From,
            FilterList::To => List::To,
        }
    }
}

/// Where lists contradict each other: the first of them, and why nothing passes them.
fn contradiction(filter: &Filter, name: impl Fn(List) -> &'static str) -> Option<(List, String)> {
    let lists: Vec<List> = filter.contradiction().into_iter().map(List::from).collect();
    let (first, others) = lists.split_first()?;
    let others: Vec<&str> = others.iter().map(|list| name(*list)).collect();
    let why = match others.as_slice() {
        [] => "matches no change".to_owned(),
        others => format!("matches none of the changes that {} matches: remove one of them", others.join(" and ")),
    };
    Some((*first, why))
}

/// Parts a text at its commas.
fn items(text: &str) -> Result<Vec<String>, String> {
    let mut items = vec![String::new()];
    let mut chars = text.chars();
    while let Some(next) = chars.next() {
        let part = match next {
            ',' => {
                items.push(String::new());
                continue;
            }
            '\\' => match chars.next() {
                Some(escaped @ (',' | '\\')) => escaped,
                _ => return Err(r"has a \ that is not followed by a comma or another \: write \\ for one".to_owned()),
            },
            plain => plain,
        };
        if let Some(item) = items.last_mut() {
            item.push(part);
        }
    }
    Ok(items)
}

fn one_of<T: Copy>(text: &str, all: &[T], word: impl Fn(T) -> &'static str) -> Result<T, String> {
    all.iter().copied().find(|one| word(*one) == text).ok_or_else(|| {
        let words: Vec<&str> = all.iter().map(|one| word(*one)).collect();
        format!("is one of {}", words.join(", "))
    })
}

/// Takes the lists out of a hook's JSON; each may have so many items.
pub(crate) fn of_object(object: &mut Object, most: usize) -> Result<Filter, BodyError> {
    let mut filter = Filter::default();
    for list in List::ALL {
        let Some(member) = object.take(list.member()) else { continue };
        for item in member.items(most)? {
            list.add(item.text()?, &mut filter).map_err(|why| item.invalid(why))?;
        }
    }
    if let Some((list, why)) = contradiction(&filter, List::member) {
        return Err(BodyError::Invalid { pointer: format!("/{}", list.member()), why });
    }
    Ok(filter)
}

/// Reads the lists of a query, in which commas part the items.
pub(crate) fn of_parameters(parameters: &Parameters, most: usize) -> Result<Filter, ParameterError> {
    let mut filter = Filter::default();
    for list in List::ALL {
        let name = list.parameter();
        let Some(text) = parameters.get(name) else { continue };
        let items = items(text).map_err(|why| ParameterError::Invalid { name, why })?;
        if items.len() > most {
            return Err(ParameterError::Invalid { name, why: format!("may have {most} items") });
        }
        for item in items {
            list.add(&item, &mut filter)
                .map_err(|why| ParameterError::Invalid { name, why: format!("{item:?} {why}") })?;
        }
    }
    if let Some((list, why)) = contradiction(&filter, List::parameter) {
        return Err(ParameterError::Invalid { name: list.parameter(), why });
    }
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::InstanceState;

    fn whole() -> Filter {
        Filter {
            kinds: vec![Kind::Instance, Kind::Realm],
            ids: vec![IdPattern::Exact("i-1".into()), IdPattern::Prefix("web-".into())],
            realms: vec!["us east".into()],
            types: vec![ChangeType::InstanceState],
            from: vec![State::Instance(InstanceState::ShuttingDown)],
            to: vec![State::Instance(InstanceState::Finish)],
        }
    }

    #[test]
    fn a_hook_has_arrays() {
        let check = |body: &str, want: Result<Filter, &str>| {
            let got = of_object(&mut Object::parse(body.as_bytes()).expect(body), 2);
            assert_eq!(got.map_err(|error| error.to_string()), want.map_err(str::to_owned), "{body}");
        };
        check("{}", Ok(Filter::default()));
        check(r#"{"kinds": [], "to": null}"#, Ok(Filter::default()));
        let body = r#"{"kinds": ["instance", "realm"], "ids": ["i-1", "web-*"], "realms": ["us east"],
                       "types": ["instance.state"], "from": ["SHUTTING_DOWN"], "to": ["FINISH"]}"#;
        check(body, Ok(whole()));
        check(r#"{"kinds": ["instances"]}"#, Err("/kinds/0 is one of instance, realm"));
        check(r#"{"kinds": "instance"}"#, Err("/kinds is text, and has to be an array"));
        check(r#"{"ids": ["a", ""]}"#, Err("/ids/1 is not an id, nor a prefix with *: an id can't be empty"));
        check(r#"{"ids": ["a", "b", "c"]}"#, Err("/ids has 3 items, and may have 2"));
        let why = "matches none of the changes that types matches: remove one of them";
        let body = r#"{"kinds": ["realm"], "types": ["instance.state"], "to": ["UNAVAILABLE"]}"#;
        check(body, Err(&format!("/kinds {why}")));
        check(
            r#"{"types": ["instance.state"], "from": ["RUNNING"], "to": ["RUNNING"]}"#,
            Err("/types matches none of the changes that from and to matches: remove one of them"),
        );
        check(
            r#"{"ids": ["*a"]}"#,
            Err(
                "/ids/0 is not an id, nor a prefix with *: a * has to be at the end, where it stands for the rest of the id",
            ),
        );
        check(r#"{"realms": ["a\nb"]}"#, Err("/realms/0 is not a realm id: an id can't have control characters"));
    }

    #[test]
    fn a_query_has_commas() {
        let check = |query: &str, want: Result<Filter, &str>| {
            let got = of_parameters(&Parameters::parse(query.as_bytes()).expect(query), 2);
            assert_eq!(got.map_err(|error| error.to_string()), want.map_err(str::to_owned), "{query}");
        };
        check("", Ok(Filter::default()));
        let query =
            "kind=instance,realm&id=i-1,web-*&realm_id=us+east&type=instance.state&from=SHUTTING_DOWN&to=FINISH";
        check(query, Ok(whole()));
        check(
            "kind=instance&to=AVAILABLE",
            Err("kind matches none of the changes that to matches: remove one of them"),
        );
        let ids = |ids: &[&str]| Filter {
            ids: ids.iter().map(|id| IdPattern::Exact((*id).to_owned())).collect(),
            ..Filter::default()
        };
        check(r"id=a\,b,c", Ok(ids(&["a,b", "c"])));
        check(r"id=a%5C%2Cb%2Cc", Ok(ids(&["a,b", "c"])));
        check(r"id=\\,\\\,", Ok(ids(&[r"\", r"\,"])));
        for query in [r"id=a\", r"id=a\b", r"id=a,\*"] {
            check(query, Err(r"id has a \ that is not followed by a comma or another \: write \\ for one"));
        }
        check("kind=pod", Err("kind \"pod\" is one of instance, realm"));
        check("id=a,,b", Err("id may have 2 items"));
        check("id=a,", Err("id \"\" is not an id, nor a prefix with *: an id can't be empty"));
        check("realm_id=", Err("realm_id \"\" is not a realm id: an id can't be empty"));
    }

    #[test]
    fn every_list_is_told_empty_or_not() {
        for list in List::ALL {
            assert!(list.is_empty(&Filter::default()) && !list.is_empty(&whole()), "{list:?}");
        }
    }
}
