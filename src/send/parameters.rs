//! Parameters that are never passed on, in a query or in a form.

use super::rejected::Rejected;
use crate::rejection::RejectionKind;

/// Parameters that would change what a path means or how its answer is written, or carry a token
/// past the gateway. The key itself was taken out before.
const DANGEROUS: [&str; 5] = ["access_token", "method", "batch", "relative_url", "callback"];

/// The parameters of an upload that some senders write into the query.
const OF_UPLOADS: [&str; 2] = ["messaging_product", "type"];

/// The parameter, or the way of writing one, that is not passed on, if `query` has any.
pub fn dangerous(query: &str) -> Option<&'static str> {
    let named: Vec<String> = names(query).map(str::to_ascii_lowercase).collect();
    // A name that is percent-encoded could be any of them.
    if named.iter().any(|name| name.contains('%')) {
        return Some("with an encoded name");
    }
    // Some servers read a semicolon as another ampersand.
    if query.contains(';') {
        return Some("with a semicolon");
    }
    // Others take `batch[0]`, `+batch` or `access.token` for the names that they look like.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !named.iter().all(|name| name.bytes().all(plain)) {
        return Some("with an odd name");
    }
    DANGEROUS.into_iter().find(|dangerous| named.iter().any(|name| name == dangerous))
}

/// Refuses a query that would make another request of a read.
pub fn check(query: &str) -> Result<(), Rejected> {
    let refused = |details: String| Err(Rejected::new(RejectionKind::PathNotAllowed, details));
    if let Some(name) = dangerous(query) {
        return refused(format!("the query parameter {name} is not passed on"));
    }
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    if pairs.any(|(name, value)| name.eq_ignore_ascii_case("fields") && !is_plain_list(value)) {
        return refused(
            "`fields` is a list of plain names here: what is nested in a field is not passed on"
                .to_owned(),
        );
    }
    Ok(())
}

/// Refuses a query that an upload does not have.
pub fn check_upload(query: &str) -> Result<(), Rejected> {
    match names(query).find(|name| !name.is_empty() && !OF_UPLOADS.contains(name)) {
        None => Ok(()),
        Some(_) => Err(Rejected::new(
            RejectionKind::PathNotAllowed,
            "an upload has no query parameters but messaging_product and type",
        )),
    }
}

fn names(query: &str) -> impl Iterator<Item = &str> {
    query.split('&').map(|pair| pair.split('=').next().unwrap_or_default())
}

/// Names with commas between them, which may be percent-encoded: no field of a field.
fn is_plain_list(value: &str) -> bool {
    let commas = value.replace("%2C", ",").replace("%2c", ",").replace("%20", "+");
    commas.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_,+".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::{check, check_upload};

    #[test]
    fn a_query_is_names_and_plain_fields() {
        for (query, passes) in [
            ("", true),
            ("limit=2&after=QVFIU%3D", true),
            ("fields=id,name,quality_score", true),
            ("fields=id%2Cname%2cstatus&limit=1", true),
            ("fields=id,+name,%20status", true),
            ("name=a.b(c){d}&status=APPROVED", true),
            ("fields=message_qrdls.limit(1)", false),
            ("fields=id,message_qrdls%2Elimit%281%29", false),
            ("Fields=a%7Bb%7D", false),
            ("fields=id&fields=a{b}", false),
            ("fields=a%252Eb", false),
            ("callback=x", false),
            ("CallBack=x", false),
            ("limit=1&callback", false),
            ("batch[0][method]=POST", false),
            ("+batch=[]", false),
            ("access.token=x", false),
            ("b%61tch=[]", false),
            ("a=b;batch=[]", false),
        ] {
            assert_eq!(check(query).is_ok(), passes, "{query}");
        }
    }

    #[test]
    fn an_upload_has_few_parameters() {
        for (query, passes) in [
            ("", true),
            ("messaging_product=whatsapp", true),
            ("messaging_product=whatsapp&type=image/png", true),
            ("messaging_product=whatsapp&file=x", false),
            ("to=1", false),
        ] {
            assert_eq!(check_upload(query).is_ok(), passes, "{query}");
        }
    }
}
