//! Verifies signatures with the secret: AWS version 4 in a header or in a query, Alibaba Cloud's ACS3 and HMAC-SHA1,
//! Tencent Cloud's TC3, CloudStack, OVH, and JSON Web Tokens with HS256, RS256 and PS256. Other signatures are not
//! verified.

mod alibaba;
mod aws;
mod cloudstack;
mod ovh;
mod parts;
mod tencent;
mod token;

use crate::driver::wire::Asked;

pub(super) use parts::Credentials;

type Verify = fn(&Asked, &Credentials<'_>) -> Option<Result<(), String>>;

/// Whether a request's signature is right; none where it has none that is known.
pub(super) fn verify(sent: &Asked, credentials: &Credentials<'_>) -> Option<Result<(), String>> {
    const KNOWN: [Verify; 6] =
        [aws::verify, alibaba::verify, tencent::verify, cloudstack::verify, ovh::verify, token::verify];
    KNOWN.into_iter().find_map(|verify| verify(sent, credentials))
}

#[cfg(test)]
mod tests;
