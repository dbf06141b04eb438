//! JSON Web Tokens (RFC 7519) with HS256, RS256 and PS256 (RFC 7518, 3).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64_URL;
use serde_json::Value;

use super::parts::Credentials;
use crate::driver::signing::{Hash, Scheme, hmac, is_rsa};
use crate::driver::wire::Asked;

pub(super) fn verify(sent: &Asked, credentials: &Credentials<'_>) -> Option<Result<(), String>> {
    token(sent).map(|token| is_signed(&token, credentials))
}

/// A JSON Web Token that a driver made: in a form, or in a header.
fn token(sent: &Asked) -> Option<String> {
    let is_token = |text: &str| {
        let first = text.split('.').next()?;
        let head: Value = serde_json::from_slice(&BASE64_URL.decode(first).ok()?).ok()?;
        (text.split('.').count() == 3 && matches!(head["alg"].as_str()?, "RS256" | "PS256" | "HS256"))
            .then(|| text.to_owned())
    };
    let form = url::form_urlencoded::parse(&sent.body).filter(|(name, _)| name.ends_with("assertion"));
    let in_form = form.filter_map(|(_, value)| is_token(&value)).next();
    in_form.or_else(|| {
        let values = sent.headers.values().filter_map(|value| value.to_str().ok());
        values.filter_map(|value| is_token(value.rsplit(' ').next()?)).next()
    })
}

fn is_signed(token: &str, credentials: &Credentials<'_>) -> Result<(), String> {
    let (message, signature) = token.rsplit_once('.').unwrap_or((token, ""));
    let decoded =
        |part: Option<&str>| -> Option<Value> { serde_json::from_slice(&BASE64_URL.decode(part?).ok()?).ok() };
    let mut parts = message.split('.');
    let head = decoded(parts.next()).ok_or("its head is no JSON")?;
    let claims = decoded(parts.next()).ok_or("its claims are no JSON")?;
    let now = credentials.at.as_seconds();
    if claims["exp"].as_i64().is_some_and(|end| end <= now) || claims["iat"].as_i64().is_some_and(|at| at > now + 300) {
        return Err(format!("it is not valid at {}", credentials.at));
    }
    let signature = BASE64_URL.decode(signature).map_err(|_| "its signature is not in base64url")?;
    let is_of = |secret: &&str| match head["alg"].as_str() {
        Some("HS256") => hmac(Hash::Sha256, secret.as_bytes(), &[message]).is_ok_and(|value| value == signature),
        Some("PS256") => is_rsa(Scheme::Ps256, secret, message.as_bytes(), &signature),
        _ => is_rsa(Scheme::Rs256, secret, message.as_bytes(), &signature),
    };
    let right = credentials.secrets.iter().any(is_of);
    match right {
        true => Ok(()),
        // A token that a login gave is signed by the provider.
        false if !credentials.secrets.iter().any(|secret| secret.contains("PRIVATE KEY")) && head["alg"] != "HS256" => {
            Ok(())
        }
        false => Err("it is not signed with the account's secret".into()),
    }
}
