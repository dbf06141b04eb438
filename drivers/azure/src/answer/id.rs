//! Resource ids. Azure takes no notice of the case of their letters, and writes the same id in different ones: the
//! name of a resource group in capitals in one list, and as it was given in another.

use tracker_driver_sdk::Error;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::http::encode_path;

/// The most bytes that the host takes for an id. The longest names of a group and a machine together make more.
const MOST_BYTES: usize = 255;

/// What begins every id of a resource in a subscription.
const START: &str = "/subscriptions/";

/// The form in which ids are compared.
pub fn key(id: &str) -> String {
    id.to_lowercase()
}

/// The id of an instance, the same in every poll: the resource id in small letters, or, where that is too long, the id
/// that Compute gives each machine.
pub fn of_instance(id: &str, vm_id: Option<&str>) -> Result<String, Error> {
    // No name has what means something in an address.
    if !id.starts_with(START) || id.contains(['%', '?', '#', '\\']) {
        return Err(no_resource(id));
    }
    let key = key(id);
    if key.len() <= MOST_BYTES {
        return Ok(key);
    }
    let short = vm_id.filter(|id| !id.is_empty() && id.len() <= MOST_BYTES);
    let too_long = || Error::UnexpectedAnswer(format!("an id has {} bytes, and there is no `vmId`", key.len()));
    short.map(str::to_owned).ok_or_else(too_long)
}

/// The path at which a resource is asked for. What is no id of one would lead elsewhere.
pub fn path(id: &str) -> Result<String, Error> {
    match id.get(..START.len()).is_some_and(|start| start.eq_ignore_ascii_case(START)) {
        true => Ok(encode_path(id)),
        false => Err(no_resource(id)),
    }
}

fn no_resource(id: &str) -> Error {
    Error::UnexpectedAnswer(format!("`{}` is no id of a resource", quote(id.as_bytes())))
}

/// Whether an id that the host asks for is one that this driver gave for a machine, or for a member of a scale set.
pub fn is_of_machine(id: &str) -> bool {
    let parts: Vec<&str> = id.split('/').collect();
    let is_name = |name: &str| !name.is_empty() && name != "." && name != "..";
    match parts[..] {
        [
            "",
            "subscriptions",
            subscription,
            "resourcegroups",
            group,
            "providers",
            "microsoft.compute",
            ref rest @ ..,
        ] => {
            let is_machine = match rest {
                ["virtualmachines", name] => is_name(name),
                ["virtualmachinescalesets", set, "virtualmachines", member] => is_name(set) && is_name(member),
                _ => false,
            };
            is_name(subscription) && is_name(group) && is_machine
        }
        _ => false,
    }
}
