//! Whose instances are listed: the project of an account.

use tracker_driver_sdk::{Account, Error};

pub const OPTION: &str = "project";

/// Behind the project in the e-mail address of a service account.
const SERVICE_ACCOUNTS: &str = ".iam.gserviceaccount.com";

/// The id or number of the account's project, as it may stand in a path.
pub fn of(account: &Account) -> Result<&str, Error> {
    if let Some(project) = account.option(OPTION) {
        let accepted = "the id or the number of a project, such as `shop-4711`";
        return if is_project(project) { Ok(project) } else { Err(Error::bad_option(OPTION, project, accepted)) };
    }
    of_user(&account.user).ok_or_else(|| {
        Error::InvalidAccount(
            "the option `project` is not set, and the user names no project: set it to the project's id".to_owned(),
        )
    })
}

/// The project that a user names. In that of a domain (`example.com:shop`) the address has the parts in another order, and in
/// those of Google's own service accounts there is none.
fn of_user(user: &str) -> Option<&str> {
    let project = match user.split_once('@') {
        Some((_, domain)) => domain.strip_suffix(SERVICE_ACCOUNTS).filter(|project| !project.contains('.'))?,
        None => user,
    };
    is_project(project).then_some(project)
}

/// `shop-4711`, `example.com:shop`, or a number.
fn is_project(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    text.len() <= 255 && text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(is_allowed)
}
