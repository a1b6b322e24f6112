//! Reads from method and path alone what a request on the data listener asks for. Only what is
//! listed here is passed on.

use http::Method;

/// What a path asks for. Texts are parts of the path as they came; ids are digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route<'a> {
    /// A message to be sent.
    Send {
        /// The campaign of a `/campaigns/{id}` prefix.
        campaign: Option<&'a str>,
        /// The phone number ID.
        channel_id: &'a str,
        /// `/marketing_messages` rather than `/messages`.
        marketing: bool,
        /// The path at Meta.
        path: &'a str,
    },
    /// A Graph path other than a send, without a campaign.
    Graph {
        /// The kind of request, from method and path.
        kind: GraphPath,
        /// The id in the path: a phone number ID, a WABA or a media object, by kind.
        id: &'a str,
        /// The path at Meta.
        path: &'a str,
    },
    /// `GET /livez`: whether the process is alive.
    Alive,
    /// A request that is not passed on.
    NotAllowed,
}

/// Graph paths that cost nothing and may be passed through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraphPath {
    /// `POST /{version}/{channel_id}/media`.
    MediaUpload,
    /// `GET` or `DELETE /{version}/{id}`: a media object, or the channel's own phone number.
    Node,
    /// `GET` or `POST /{version}/{channel_id}/whatsapp_business_profile`.
    BusinessProfile,
    /// `GET /{version}/{waba}/message_templates`.
    Templates,
}

/// Reads a path. Anything percent-encoded, doubled, unversioned or unknown is
/// [`Route::NotAllowed`].
pub fn route<'a>(method: &Method, whole: &'a str) -> Route<'a> {
    if whole == "/livez" && (method == Method::GET || method == Method::HEAD) {
        return Route::Alive;
    }
    let (campaign, path) =
        match whole.strip_prefix("/campaigns/").and_then(|rest| rest.split_once('/')) {
            Some((campaign, _)) => (Some(campaign), &whole["/campaigns/".len() + campaign.len()..]),
            None => (None, whole),
        };
    let mut parts = path.split('/');
    let (Some(""), Some(version), Some(id), edge, None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Route::NotAllowed;
    };
    if !is_version(version)
        || id.is_empty()
        || id.len() > 32
        || !id.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Route::NotAllowed;
    }
    let graph =
        |kind| if campaign.is_none() { Route::Graph { kind, id, path } } else { Route::NotAllowed };
    match (method.as_str(), edge) {
        ("POST", Some("messages")) => {
            Route::Send { campaign, channel_id: id, marketing: false, path }
        }
        ("POST", Some("marketing_messages")) => {
            Route::Send { campaign, channel_id: id, marketing: true, path }
        }
        ("POST", Some("media")) => graph(GraphPath::MediaUpload),
        ("GET" | "DELETE", None) => graph(GraphPath::Node),
        ("GET" | "POST", Some("whatsapp_business_profile")) => graph(GraphPath::BusinessProfile),
        ("GET", Some("message_templates")) => graph(GraphPath::Templates),
        _ => Route::NotAllowed,
    }
}

/// `v24.0`: unversioned calls run on whichever version is oldest, which was never priced.
fn is_version(text: &str) -> bool {
    let Some((major, minor)) = text.strip_prefix('v').and_then(|digits| digits.split_once('.'))
    else {
        return false;
    };
    let short = |part: &str| {
        (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    short(major) && short(minor)
}

#[cfg(test)]
mod tests {
    use super::{GraphPath, Route, route};
    use http::Method;

    fn send<'a>(campaign: Option<&'a str>, marketing: bool, path: &'a str) -> Route<'a> {
        Route::Send { campaign, channel_id: "106", marketing, path }
    }

    #[test]
    fn sends_are_found_with_and_without_a_campaign() {
        let post = |path| route(&Method::POST, path);
        assert_eq!(post("/v24.0/106/messages"), send(None, false, "/v24.0/106/messages"));
        assert_eq!(
            post("/v24.0/106/marketing_messages"),
            send(None, true, "/v24.0/106/marketing_messages")
        );
        assert_eq!(
            post("/campaigns/diwali/v24.0/106/messages"),
            send(Some("diwali"), false, "/v24.0/106/messages")
        );
    }

    #[test]
    fn what_is_not_listed_is_not_passed_on() {
        for path in [
            "/",
            "/106/messages",
            "/v24.0/106/messages/",
            "//v24.0/106/messages",
            "/v24.0/106/messages_encrypted",
            "/v24.0/106/calls",
            "/v24.0/106/groups",
            "/v24.0/10%36/messages",
            "/v24.0/me/messages",
            "/v24/106/messages",
            "/v24.0/106/media/x",
            "/campaigns/diwali/v24.0/106/media",
            "/campaigns//106/messages",
            "/V24.0/106/messages",
        ] {
            assert_eq!(route(&Method::POST, path), Route::NotAllowed, "{path}");
        }
        assert_eq!(route(&Method::PUT, "/v24.0/106/messages"), Route::NotAllowed);
        assert_eq!(route(&Method::GET, "/v24.0/106/messages"), Route::NotAllowed);
    }

    #[test]
    fn free_paths_are_told_apart() {
        let graph = |kind, path| Route::Graph { kind, id: "106", path };
        assert_eq!(
            route(&Method::POST, "/v24.0/106/media"),
            graph(GraphPath::MediaUpload, "/v24.0/106/media")
        );
        assert_eq!(route(&Method::GET, "/v24.0/106"), graph(GraphPath::Node, "/v24.0/106"));
        assert_eq!(
            route(&Method::GET, "/v24.0/106/message_templates"),
            graph(GraphPath::Templates, "/v24.0/106/message_templates")
        );
        assert_eq!(route(&Method::GET, "/livez"), Route::Alive);
    }
}
