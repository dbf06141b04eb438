//! The addresses of instances. Of a few VNICs each is asked for by itself, which is exact; of more, the subnets and the public
//! addresses are listed where that takes fewer requests: it gives the same addresses.

use std::collections::{BTreeSet, HashMap, HashSet};

use tracker_driver_sdk::http::encode_query;
use tracker_driver_sdk::{Error, Instance};

use crate::answer::{self, Attached, Attachments, Ipv6, PrivateIp, PublicIp, Vnic};
use crate::client::{Client, Part};
use crate::compartments::PER_PAGE;
use crate::poll;
use crate::problem::Failure;
use crate::settings::is_ocid;

/// Up to how many VNICs are asked for one by one in a poll, whatever lists would take.
const FEW: usize = 20;

/// Up to how many VNICs are asked for one by one where lists would take more requests. A host lets a poll send 256 requests,
/// unless it is told otherwise.
const MOST_SINGLE: usize = 100;

/// What a poll has read of addresses.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// How many VNICs were asked for one by one.
    single: usize,
    subnets: HashSet<String>,
    /// Primary private addresses, by VNIC.
    private: HashMap<String, Private>,
    ipv6: HashMap<String, Vec<String>>,
    /// By the ids of the private addresses that they stand for.
    public: HashMap<String, String>,
    has_reserved: bool,
    /// The compartments and availability domains of which the public addresses that are not reserved were read.
    ephemeral: HashSet<(String, String)>,
}

#[derive(Debug)]
struct Private {
    id: String,
    ip: String,
    compartment: Option<String>,
}

/// The VNICs of a compartment's instances, or of one of them.
pub(crate) fn attachments(
    client: &Client<'_>,
    compartment: &str,
    instance: Option<&str>,
) -> Result<Attachments, Failure> {
    let mut query = vec![("compartmentId", compartment), ("limit", PER_PAGE)];
    query.extend(instance.map(|id| ("instanceId", id)));
    let path = format!("/20160918/vnicAttachments?{}", encode_query(query));
    let mut attachments = Attachments::new();
    client.each_page(Part::Core, &path, |page| {
        match answer::attach(page, &mut attachments) {
            0 => {}
            count => poll::miss(format!(
                "without some addresses: of {count} attachments in the compartment {compartment} it is not known what \
                 they attach"
            )),
        }
        Ok(())
    })?;
    Ok(attachments)
}

/// Gives the instances of a page their addresses.
pub(crate) fn add(client: &Client<'_>, attachments: &Attachments, items: &mut [Instance]) -> Result<(), Error> {
    let of = |item: &Instance| attachments.get(&item.id).map(Vec::as_slice).unwrap_or_default();
    let wanted: Vec<(&Attached, &Instance)> =
        items.iter().flat_map(|item| of(item).iter().map(move |attached| (attached, item))).collect();
    let is_single = is_single(client, &wanted);
    if !is_single {
        let places: Vec<_> = wanted.iter().map(|(attached, item)| (*attached, item.realm.as_deref())).collect();
        list(client, &places)?;
    }
    for item in items {
        for attached in of(item) {
            if is_single {
                ask(client, attached, item)?;
            } else if attached.subnet.is_some() {
                poll::with(|poll| poll.found.give(attached, item));
            } else {
                poll::miss(format!("without the addresses of the VNIC {}: it is not said where it is", attached.vnic));
            }
        }
    }
    Ok(())
}

/// Whether these VNICs are asked for one by one: if they are few, or if lists take no fewer requests.
fn is_single(client: &Client<'_>, wanted: &[(&Attached, &Instance)]) -> bool {
    poll::with(|poll| {
        // Of single instances, the compartments that may have their public addresses are not known.
        if poll.compartments.is_empty() {
            return true;
        }
        let count = poll.found.single + wanted.len();
        // Only a VNIC shows a reserved address that is in none of the chosen compartments.
        let is_exact = !client.settings.compartments.is_empty();
        let costs_less = || wanted.len() <= poll.found.requests_of_lists(poll.compartments.len(), wanted);
        count <= FEW || (count <= MOST_SINGLE && (is_exact || costs_less()))
    })
}

/// Asks for one VNIC.
fn ask(client: &Client<'_>, attached: &Attached, item: &mut Instance) -> Result<(), Error> {
    let id = &attached.vnic;
    if !is_ocid(id) {
        return Err(Error::UnexpectedAnswer("an attachment in the answer has no OCID for its VNIC".to_owned()));
    }
    poll::with(|poll| poll.found.single += 1);
    let vnic: Vnic = match client.one(&format!("/20160918/vnics/{id}")) {
        Ok(vnic) => vnic,
        Err(failure) => return lacking(&format!("the addresses of the VNIC {id}"), failure),
    };
    if vnic.id != *id {
        return Err(Error::UnexpectedAnswer(format!("the answer is another VNIC than {id}")));
    }
    answer::address(vnic.private_ip.as_deref(), &mut item.private_addresses);
    answer::address(vnic.public_ip.as_deref(), &mut item.public_addresses);
    for text in vnic.ipv6_addresses.iter().flatten() {
        answer::ipv6(text, item);
    }
    Ok(())
}

/// Lists the addresses of the subnets that these VNICs are in, and the public addresses of theirs. An instance and its
/// VNICs are in the same availability domain.
fn list(client: &Client<'_>, wanted: &[(&Attached, Option<&str>)]) -> Result<(), Error> {
    let subnets: BTreeSet<&str> = wanted.iter().filter_map(|(attached, _)| attached.subnet.as_deref()).collect();
    for subnet in subnets {
        if !is_ocid(subnet) {
            return Err(Error::UnexpectedAnswer("an attachment in the answer has no OCID for its subnet".to_owned()));
        }
        if poll::with(|poll| poll.found.subnets.insert(subnet.to_owned())) {
            let query = encode_query([("subnetId", subnet), ("limit", PER_PAGE)]);
            let what = format!("the addresses of the subnet {subnet}");
            each(client, &format!("/20160918/privateIps?{query}"), &what, Found::add_private)?;
            each(client, &format!("/20160918/ipv6s?{query}"), &what, Found::add_ipv6)?;
        }
    }
    // A reserved address may be in any compartment, and is in a region.
    if poll::with(|poll| !std::mem::replace(&mut poll.found.has_reserved, true)) {
        for compartment in poll::with(|poll| poll.compartments.clone()) {
            let query = [("scope", "REGION"), ("lifetime", "RESERVED"), ("compartmentId", compartment.id.as_str())];
            public(client, &query, &format!("the reserved addresses of the compartment {compartment}"))?;
        }
    }
    // Any other is in the compartment and the availability domain of the private address that it stands for.
    let mut places = BTreeSet::new();
    for (attached, domain) in wanted {
        let Some(compartment) = poll::with(|poll| poll.found.compartment(attached)) else { continue };
        let (Some(compartment), Some(domain)) = (compartment, domain) else {
            poll::miss(format!("without a public address of the VNIC {}: it is not said where it is", attached.vnic));
            continue;
        };
        places.insert((compartment, (*domain).to_owned()));
    }
    poll::with(|poll| places.retain(|place| poll.found.ephemeral.insert(place.clone())));
    for (compartment, domain) in places {
        let query = [
            ("scope", "AVAILABILITY_DOMAIN"),
            ("availabilityDomain", domain.as_str()),
            ("lifetime", "EPHEMERAL"),
            ("compartmentId", compartment.as_str()),
        ];
        public(client, &query, &format!("the public addresses of the compartment {compartment}"))?;
    }
    Ok(())
}

fn public(client: &Client<'_>, query: &[(&str, &str)], what: &str) -> Result<(), Error> {
    let query = encode_query(query.iter().copied().chain([("limit", PER_PAGE)]));
    each(client, &format!("/20160918/publicIps?{query}"), what, Found::add_public)
}

/// Reads a list into what was found. One that is refused leaves a list without these addresses.
fn each<T: serde::de::DeserializeOwned>(
    client: &Client<'_>,
    path: &str,
    what: &str,
    add: fn(&mut Found, T),
) -> Result<(), Error> {
    let read = client.each_page(Part::Core, path, |page| {
        poll::with(|poll| page.into_iter().for_each(|entry| add(&mut poll.found, entry)));
        Ok(())
    });
    read.or_else(|failure| lacking(what, failure))
}

fn lacking(what: &str, failure: Failure) -> Result<(), Error> {
    if failure.is_absent_or_refused {
        poll::miss(format!("without {what}: {}", failure.error.message()));
        return Ok(());
    }
    Err(failure.error)
}

impl Found {
    /// How many requests lists of the addresses of these VNICs take, if each has one page. A private address is mostly in
    /// the compartment of its instance. Lists do not find a VNIC that does not say where it is: then there are none.
    fn requests_of_lists(&self, compartments: usize, wanted: &[(&Attached, &Instance)]) -> usize {
        let mut subnets = HashSet::new();
        let mut places = HashSet::new();
        for (attached, item) in wanted {
            let Some(subnet) = attached.subnet.as_deref() else { return usize::MAX };
            if !self.subnets.contains(subnet) {
                subnets.insert(subnet);
            }
            places.insert((&item.owner, &item.realm));
        }
        let reserved = if self.has_reserved { 0 } else { compartments };
        2 * subnets.len() + reserved + places.len()
    }

    fn add_private(&mut self, entry: PrivateIp) {
        // The others are not what a VNIC shows, and a list is the same whichever way it was asked for.
        if let (Some(vnic), Some(ip), Some(true)) = (entry.vnic_id, entry.ip_address, entry.is_primary) {
            self.private.insert(vnic, Private { id: entry.id, ip, compartment: entry.compartment_id });
        }
    }

    fn add_ipv6(&mut self, entry: Ipv6) {
        if let (Some(vnic), Some(ip)) = (entry.vnic_id, entry.ip_address) {
            self.ipv6.entry(vnic).or_default().push(ip);
        }
    }

    fn add_public(&mut self, entry: PublicIp) {
        if let (Some(private), Some(ip)) = (entry.assigned_entity_id, entry.ip_address) {
            self.public.insert(private, ip);
        }
    }

    /// Where the private address of a VNIC is, if it has one and that is said.
    fn compartment(&self, attached: &Attached) -> Option<Option<String>> {
        self.private.get(&attached.vnic).map(|private| private.compartment.clone())
    }

    fn give(&self, attached: &Attached, item: &mut Instance) {
        if let Some(private) = self.private.get(&attached.vnic) {
            answer::address(Some(&private.ip), &mut item.private_addresses);
            answer::address(self.public.get(&private.id).map(String::as_str), &mut item.public_addresses);
        }
        for text in self.ipv6.get(&attached.vnic).into_iter().flatten() {
            answer::ipv6(text, item);
        }
    }
}
