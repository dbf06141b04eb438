//! The answers on the way to a list: what the server's objects are called, the login, the view.

use std::io::BufRead;

use tracker_driver_sdk::Error;
use tracker_driver_sdk::xml::Reader;

use crate::session::Session;

/// What is used of a server's content.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) session_manager: String,
    pub(crate) session: Session,
}

pub(crate) fn content<R: BufRead>(xml: &mut Reader<R>) -> Result<Content, Error> {
    let mut found = Content { session_manager: String::new(), session: Session::default() };
    inside(xml, |xml| {
        while let Some(name) = xml.child()? {
            match name {
                "rootFolder" => found.session.root = xml.text()?.to_owned(),
                "propertyCollector" => found.session.collector = xml.text()?.to_owned(),
                "viewManager" => found.session.view_manager = xml.text()?.to_owned(),
                "sessionManager" => found.session_manager = xml.text()?.to_owned(),
                "customFieldsManager" => found.session.custom_fields = Some(xml.text()?.to_owned()),
                _ => xml.skip()?,
            }
        }
        Ok(())
    })?;
    for (name, value) in [
        ("rootFolder", &found.session.root),
        ("propertyCollector", &found.session.collector),
        ("viewManager", &found.session.view_manager),
        ("sessionManager", &found.session_manager),
    ] {
        if value.is_empty() {
            return Err(Error::UnexpectedAnswer(format!("the answer has no <{name}>")));
        }
    }
    Ok(found)
}

pub(crate) fn login<R: BufRead>(xml: &mut Reader<R>) -> Result<(), Error> {
    inside(xml, |xml| xml.skip())
}

/// The view's id.
pub(crate) fn view<R: BufRead>(xml: &mut Reader<R>) -> Result<String, Error> {
    let mut view = String::new();
    inside(xml, |xml| {
        view = xml.text()?.to_owned();
        Ok(())
    })?;
    match view.as_str() {
        "" => Err(Error::UnexpectedAnswer("the answer has no view".to_owned())),
        _ => Ok(view),
    }
}

/// Reads what a call returns.
fn inside<R: BufRead>(
    xml: &mut Reader<R>,
    mut read: impl FnMut(&mut Reader<R>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut is_there = false;
    while let Some(name) = xml.child()? {
        match name {
            "returnval" => {
                is_there = true;
                read(xml)?;
            }
            _ => xml.skip()?,
        }
    }
    match is_there {
        true => Ok(()),
        false => Err(Error::UnexpectedAnswer("the answer has no <returnval>".to_owned())),
    }
}
