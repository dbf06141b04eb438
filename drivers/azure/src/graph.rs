//! Resource Graph: machines, interfaces and public addresses in one list, 1,000 rows a request. It is made of what
//! Azure's parts tell it, and may be some minutes behind them.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::{Error, Instance, Page};

use crate::answer::machine::Machine;
use crate::client::Client;
use crate::machines::{COMPUTE, addresses, with_own_view};
use crate::{poll, scale_sets};

const PATH: &str = "/providers/Microsoft.ResourceGraph/resources?api-version=2022-10-01";

/// The most rows that it gives at once.
const ROWS: u64 = 1_000;

/// What cursors of this list begin with.
const GRAPH: &str = "graph ";

#[derive(Serialize)]
struct Question<'a> {
    subscriptions: [&'a str; 1],
    query: String,
    options: Options<'a>,
}

#[derive(Serialize)]
struct Options<'a> {
    #[serde(rename = "$top")]
    top: u64,
    #[serde(rename = "resultFormat")]
    result_format: &'a str,
    #[serde(rename = "$skipToken", skip_serializing_if = "Option::is_none")]
    skip_token: Option<&'a str>,
}

/// `data` has no default: an answer without it is no list.
#[derive(Deserialize)]
struct Answer {
    data: Vec<Machine>,
    #[serde(rename = "totalRecords")]
    total: Option<u64>,
    #[serde(rename = "resultTruncated")]
    truncated: Option<Value>,
    #[serde(rename = "$skipToken")]
    skip_token: Option<String>,
    error: Option<IgnoredAny>,
}

/// A page of rows. What is not listed of it is kept for the machines, which come last.
pub(crate) fn page(client: &Client<'_>, cursor: Option<&str>) -> Result<Page<Instance>, Error> {
    let skip_token = match cursor {
        None => None,
        Some(cursor) => Some(
            cursor
                .strip_prefix(GRAPH)
                .ok_or_else(|| Error::UnexpectedAnswer(format!("the cursor `{cursor}` is not of this driver")))?,
        ),
    };
    let (answer, headers) =
        client.ask(PATH, &question(client, skip_token), |answer: &Answer| answer.error.is_some())?;
    let rows = answer.data.len() as u64;
    let items = answer.data.into_iter().map(|row| instance(client, row)).filter_map(Result::transpose);
    let items = items.collect::<Result<Vec<_>, _>>()?;
    let (all_rows, total, machines) = poll::with(|poll| {
        let graph = &mut poll.graph;
        graph.rows += rows;
        graph.machines += items.len() as u64;
        graph.total = graph.total.max(answer.total);
        (graph.rows, graph.total, graph.machines)
    });
    let omitted = rows - items.len() as u64;
    let mut page = Page::complete(items).omitting(omitted);
    // A text in the documentation; some versions give a boolean.
    let is_cut = answer.truncated.is_some_and(|word| match word {
        Value::String(word) => !word.eq_ignore_ascii_case("false"),
        Value::Null | Value::Bool(false) => false,
        _ => true,
    });
    let next = answer.skip_token.filter(|token| !token.is_empty());
    if headers.get("x-ms-tenant-subscription-limit-hit").is_some_and(|word| word.eq_ignore_ascii_case("true")) {
        page = page.partial("Resource Graph left out subscriptions");
    }
    if is_cut {
        page = page.partial("Resource Graph cut off its answer");
    }
    if let Some(token) = next {
        return Ok(page.followed_by(Some(format!("{GRAPH}{token}"))));
    }
    if let Some(total) = total.filter(|total| *total != all_rows) {
        page = page.partial(format!("Resource Graph gave {all_rows} rows of {total}"));
    }
    if machines == 0 {
        page = confirmed(client, page)?;
    }
    scale_sets::behind(client, page)
}

/// It answers with no rows to who may not read a subscription. Resource Manager says which of both it is.
fn confirmed(client: &Client<'_>, page: Page<Instance>) -> Result<Page<Instance>, Error> {
    let path = format!(
        "/subscriptions/{}/providers/Microsoft.Compute/virtualMachines?{COMPUTE}",
        client.settings.subscription
    );
    let list = client.list::<IgnoredAny>(&path)?;
    Ok(match list.value.is_empty() && list.next.is_none() {
        true => page,
        false => page.partial("Resource Graph has no machines, and Resource Manager has some"),
    })
}

fn question<'a>(client: &Client<'a>, skip_token: Option<&'a str>) -> Question<'a> {
    let types = match client.settings.has_addresses {
        true => {
            "'microsoft.compute/virtualmachines', 'microsoft.network/networkinterfaces', \
             'microsoft.network/publicipaddresses'"
        }
        false => "'microsoft.compute/virtualmachines'",
    };
    // Public addresses come first, and machines last: what a machine is joined with is there before it.
    let query = format!(
        "resources | where type in~ ({types}) | extend type = tolower(type) \
         | project id, type, name, location, tags, properties | order by type desc, id asc"
    );
    let options = Options { top: ROWS, result_format: "objectArray", skip_token };
    Question { subscriptions: [client.settings.subscription], query, options }
}

/// The instance that a row is, if it is one. All rows are read in the shape of machines, of which others have a part.
fn instance(client: &Client<'_>, row: Machine) -> Result<Option<Instance>, Error> {
    match row.kind().as_str() {
        "microsoft.compute/virtualmachines" => {
            let found = addresses(client, row.interfaces(), |poll| Some(&poll.graph.network))?;
            with_own_view(row, found).map(Some)
        }
        "microsoft.network/networkinterfaces" => {
            let interface = row.into_interface();
            poll::with(|poll| poll.graph.network.insert(&interface, &poll.graph.public));
            Ok(None)
        }
        "microsoft.network/publicipaddresses" => {
            poll::with(|poll| poll::add_public(&mut poll.graph.public, vec![row.into_public_address()]));
            Ok(None)
        }
        other => {
            let kind = quote(other.as_bytes());
            Err(Error::UnexpectedAnswer(format!(
                "Resource Graph gave a row of the type `{kind}`, which was not asked for"
            )))
        }
    }
}
