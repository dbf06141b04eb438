//! The regions of AWS, and where EC2 is reached in them (AWS General Reference, "Amazon EC2 endpoints").

/// By the domain that they are in: the commercial regions and GovCloud, China, the European Sovereign Cloud.
const REGIONS: [(&str, &[&str]); 3] = [
    (
        "amazonaws.com",
        &[
            "af-south-1",
            "ap-east-1",
            "ap-east-2",
            "ap-northeast-1",
            "ap-northeast-2",
            "ap-northeast-3",
            "ap-south-1",
            "ap-south-2",
            "ap-southeast-1",
            "ap-southeast-2",
            "ap-southeast-3",
            "ap-southeast-4",
            "ap-southeast-5",
            "ap-southeast-6",
            "ap-southeast-7",
            "ca-central-1",
            "ca-west-1",
            "eu-central-1",
            "eu-central-2",
            "eu-north-1",
            "eu-south-1",
            "eu-south-2",
            "eu-west-1",
            "eu-west-2",
            "eu-west-3",
            "il-central-1",
            "me-central-1",
            "me-south-1",
            "mx-central-1",
            "sa-east-1",
            "us-east-1",
            "us-east-2",
            "us-gov-east-1",
            "us-gov-west-1",
            "us-west-1",
            "us-west-2",
        ],
    ),
    ("amazonaws.com.cn", &["cn-north-1", "cn-northwest-1"]),
    ("amazonaws.eu", &["eusc-de-east-1"]),
];

/// What the driver may want to reach: the regions above, and those that are yet to come.
pub(crate) const PATTERNS: [&str; 3] =
    ["https://ec2.*.amazonaws.com", "https://ec2.*.amazonaws.com.cn", "https://ec2.*.amazonaws.eu"];

/// Each region with its endpoint.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, String)> {
    REGIONS.into_iter().flat_map(|(domain, regions)| {
        regions.iter().map(move |region| (*region, format!("https://ec2.{region}.{domain}")))
    })
}

/// What the driver may want to reach for every account: the regions above by their full names, since an account reaches only
/// its own endpoint by a pattern. An account that lists several regions asks each at its own.
pub(crate) fn endpoints() -> Vec<String> {
    PATTERNS.map(str::to_owned).into_iter().chain(all().map(|(_, endpoint)| endpoint)).collect()
}

/// A region, and where it is asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Region {
    pub(crate) name: String,
    pub(crate) endpoint: String,
}

impl Region {
    /// Another region of the same account; none where this driver does not know its endpoint, which it then may not reach.
    ///
    /// At an endpoint that is not AWS's own for the region (a compatible cloud, an emulator, a proxy) the signature alone
    /// says which region is asked.
    pub(crate) fn other(&self, name: &str) -> Option<Region> {
        let of_aws = |domain: &str| self.endpoint == format!("https://ec2.{}.{domain}", self.name);
        let endpoint = match REGIONS.iter().find(|(domain, _)| of_aws(domain)) {
            _ if name == self.name => self.endpoint.clone(),
            None => self.endpoint.clone(),
            Some((domain, known)) => known.contains(&name).then(|| format!("https://ec2.{name}.{domain}"))?,
        };
        Some(Region { name: name.to_owned(), endpoint })
    }
}

/// Whether a text may be a region's name.
pub(crate) fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(plain)
}

/// Whether a provider's name has the form of a region's: words, then a number, with hyphens between them.
pub(crate) fn looks_like_one(name: &str) -> bool {
    let mut parts = name.rsplit('-');
    let number = parts.next().is_some_and(|last| (1..=2).contains(&last.len()) && is_made_of(last, u8::is_ascii_digit));
    number && parts.clone().count() >= 2 && parts.all(|word| is_made_of(word, u8::is_ascii_lowercase))
}

fn is_made_of(text: &str, kind: fn(&u8) -> bool) -> bool {
    !text.is_empty() && text.as_bytes().iter().all(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_told_from_a_name() {
        assert!(all().all(|(region, _)| looks_like_one(region)));
        for name in ["us-east-1", "us-gov-west-1", "xx-somewhere-12"] {
            assert!(looks_like_one(name), "{name}");
        }
        for name in ["", "1", "-1", "east-1", "my-cloud", "us-east-", "us--1", "US-EAST-1", "us-east-123", "moto"] {
            assert!(!looks_like_one(name), "{name}");
        }
    }

    #[test]
    fn each_region_is_in_its_own_domain() {
        let endpoint = |name: &str| all().find(|(region, _)| *region == name).map(|(_, endpoint)| endpoint);
        assert_eq!(endpoint("us-east-1").as_deref(), Some("https://ec2.us-east-1.amazonaws.com"));
        assert_eq!(endpoint("us-gov-west-1").as_deref(), Some("https://ec2.us-gov-west-1.amazonaws.com"));
        assert_eq!(endpoint("cn-north-1").as_deref(), Some("https://ec2.cn-north-1.amazonaws.com.cn"));
        assert_eq!(all().count(), 39);
    }

    #[test]
    fn another_region_is_asked_at_its_own_endpoint_or_at_the_only_one() {
        let check = |name: &str, endpoint: &str, other: &str, expected: Option<&str>| {
            let region = Region { name: name.to_owned(), endpoint: endpoint.to_owned() };
            assert_eq!(region.other(other).map(|other| other.endpoint).as_deref(), expected, "{endpoint} {other}");
        };
        let ours = "https://ec2.us-west-2.amazonaws.com";
        check("us-west-2", ours, "us-west-2", Some(ours));
        check("us-west-2", ours, "eu-west-1", Some("https://ec2.eu-west-1.amazonaws.com"));
        // It would be of another partition, or is not known yet.
        check("us-west-2", ours, "cn-north-1", None);
        check("us-west-2", ours, "xx-new-1", None);
        check(
            "xx-new-1",
            "https://ec2.xx-new-1.amazonaws.com",
            "eu-west-1",
            Some("https://ec2.eu-west-1.amazonaws.com"),
        );
        let china = "https://ec2.cn-north-1.amazonaws.com.cn";
        check("cn-north-1", china, "cn-northwest-1", Some("https://ec2.cn-northwest-1.amazonaws.com.cn"));
        check("us-west-2", "http://127.0.0.1:5000", "eu-west-1", Some("http://127.0.0.1:5000"));
        check("regionone", "https://cloud.example", "regiontwo", Some("https://cloud.example"));
    }
}
