//! Parameters that are never passed on, in a query or in a form.

/// Parameters that would change what a path means, or carry a token past the gateway. The key
/// itself was taken out before.
const DANGEROUS: [&str; 4] = ["access_token", "method", "batch", "relative_url"];

/// The parameter, or the way of writing one, that is not passed on, if `query` has any.
pub fn dangerous(query: &str) -> Option<&'static str> {
    let named = |pair: &str| pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
    let names: Vec<String> = query.split('&').map(named).collect();
    // A name that is percent-encoded could be any of them.
    if names.iter().any(|name| name.contains('%')) {
        return Some("with an encoded name");
    }
    // Some servers read a semicolon as another ampersand.
    if query.contains(';') {
        return Some("with a semicolon");
    }
    DANGEROUS.into_iter().find(|dangerous| names.iter().any(|name| name == dangerous))
}
