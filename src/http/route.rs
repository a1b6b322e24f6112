//! Reads from method and path alone what a request on the data listener asks for. Only what is
//! listed here is passed on.

use std::borrow::Cow;

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
        path: Cow<'a, str>,
    },
    /// A Graph path other than a send.
    Graph {
        /// The campaign of a `/campaigns/{id}` prefix, which a base URL may carry.
        campaign: Option<&'a str>,
        /// The kind of request, from method and path.
        kind: GraphPath,
        /// The id in the path: a phone number ID, a WABA or a media object, by kind.
        id: &'a str,
        /// The path at Meta.
        path: Cow<'a, str>,
    },
    /// `GET /media/{segment}`: a media object by the gateway's own URL.
    Media {
        /// What the URL leads to, signed.
        segment: &'a str,
    },
    /// `GET /livez`: whether the process is alive.
    Alive,
    /// A request that is not passed on.
    NotAllowed {
        /// It would be, but for a slash too many.
        slash: bool,
    },
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

/// Reads a path. Anything percent-encoded, unversioned or unknown is [`Route::NotAllowed`].
///
/// A base URL that ends with a slash doubles the slash before the version, or after it if the base
/// URL has the version; and some clients end the path with one. These are dropped. A slash too many
/// anywhere else could be a missing id, and is not.
pub fn route<'a>(method: &Method, whole: &'a str) -> Route<'a> {
    let read = method == Method::GET || method == Method::HEAD;
    if whole == "/livez" && read {
        return Route::Alive;
    }
    if let Some(segment) = whole.strip_prefix("/media/").filter(|_| read) {
        return Route::Media { segment };
    }
    let strict = Segments::read(whole, false).and_then(|segments| segments.route(method));
    strict.unwrap_or_else(|| {
        let lenient = Segments::read(whole, true).and_then(|segments| segments.route(method));
        Route::NotAllowed { slash: lenient.is_some() }
    })
}

/// A path, taken apart.
struct Segments<'a> {
    campaign: Option<&'a str>,
    version: &'a str,
    id: &'a str,
    edge: Option<&'a str>,
    /// The path at Meta, if it is a part of the path as it came.
    exact: Option<&'a str>,
}

/// The most segments of a path that is passed on, empty ones included.
const MOST_SEGMENTS: usize = 9;

/// Segments that are not read yet.
struct Unread<'a, 's> {
    parts: &'s [&'a str],
    /// Empty ones are dropped wherever they are, and as many as there are.
    lenient: bool,
    dropped: usize,
}

impl<'a> Unread<'a, '_> {
    fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = self.parts.split_first()?;
        self.parts = rest;
        Some(first)
    }

    fn drop_empty(&mut self) {
        while self.parts.first() == Some(&"") {
            self.parts = &self.parts[1..];
            self.dropped += 1;
            if !self.lenient {
                break;
            }
        }
    }
}

impl<'a> Segments<'a> {
    fn read(whole: &'a str, lenient: bool) -> Option<Segments<'a>> {
        let mut parts = [""; MOST_SEGMENTS];
        let mut count = 0;
        for part in whole.strip_prefix('/')?.split('/') {
            *parts.get_mut(count)? = part;
            count += 1;
        }
        let mut unread = Unread { parts: &parts[..count], lenient, dropped: 0 };
        unread.drop_empty();
        let mut campaign = None;
        if unread.parts.first() == Some(&"campaigns") {
            unread.next();
            if lenient {
                unread.drop_empty();
            }
            campaign = unread.next();
            unread.drop_empty();
        }
        unread.dropped = 0;
        let version = unread.next()?;
        unread.drop_empty();
        let id = unread.next()?;
        if lenient {
            unread.drop_empty();
        }
        let edge = unread.next().filter(|edge| !edge.is_empty());
        unread.dropped += unread.parts.len() + usize::from(edge.is_none() && whole.ends_with('/'));
        if edge.is_some() {
            unread.drop_empty();
        }
        if !unread.parts.is_empty() {
            return None;
        }
        let length = 2 + version.len() + id.len() + edge.map_or(0, |edge| edge.len() + 1);
        let exact = (unread.dropped == 0).then(|| &whole[whole.len() - length..]);
        Some(Segments { campaign, version, id, edge, exact })
    }

    /// `None` if the path is not passed on.
    fn route(self, method: &Method) -> Option<Route<'a>> {
        let Segments { campaign, version, id, edge, exact } = self;
        let is_id = (1..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit());
        if !is_version(version) || !is_id || campaign.is_some_and(str::is_empty) {
            return None;
        }
        let path = || match (exact, edge) {
            (Some(path), _) => Cow::Borrowed(path),
            (None, Some(edge)) => Cow::Owned(format!("/{version}/{id}/{edge}")),
            (None, None) => Cow::Owned(format!("/{version}/{id}")),
        };
        let send = |marketing| Route::Send { campaign, channel_id: id, marketing, path: path() };
        let graph = |kind| Route::Graph { campaign, kind, id, path: path() };
        Some(match (method.as_str(), edge) {
            ("POST", Some("messages")) => send(false),
            ("POST", Some("marketing_messages")) => send(true),
            ("POST", Some("media")) => graph(GraphPath::MediaUpload),
            ("GET" | "DELETE", None) => graph(GraphPath::Node),
            ("GET" | "POST", Some("whatsapp_business_profile")) => {
                graph(GraphPath::BusinessProfile)
            }
            ("GET", Some("message_templates")) => graph(GraphPath::Templates),
            _ => return None,
        })
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
        Route::Send { campaign, channel_id: "106", marketing, path: path.into() }
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
            "",
            "/",
            "//",
            "///",
            "v24.0/106/messages",
            "/106/messages",
            "//106/messages",
            "/v24.0/106/messages_encrypted",
            "/v24.0/106/messages_encrypted/",
            "/v24.0/106/calls",
            "/v24.0/106/groups",
            "/v24.0/10%36/messages",
            "/v24.0/me/messages",
            "/v24/106/messages",
            "/v24.0/106/media/x",
            "/v24.0/106/messages/x",
            "/v24.0/106/messages/x/",
            "/v24.0/106/messages/%2f",
            "/v24.0/106\\messages",
            "/campaigns/diwali/messages",
            "/campaigns//106/messages",
            "/campaigns/a/campaigns/b/v24.0/106/messages",
            "/V24.0/106/messages",
            "/v24.0",
            "/v24.0/",
            "/a/b/c/d/e/f/g/h/i/j/k/l",
            "//////////////////////////////",
        ] {
            assert_eq!(route(&Method::POST, path), Route::NotAllowed { slash: false }, "{path}");
        }
        for method in [Method::PUT, Method::GET] {
            assert_eq!(
                route(&method, "/v24.0/106/messages"),
                Route::NotAllowed { slash: false },
                "{method}"
            );
        }
    }

    #[test]
    fn slashes_of_a_base_url_are_dropped() {
        for (path, campaign) in [
            ("//v24.0/106/messages", None),
            ("/v24.0/106/messages/", None),
            ("//v24.0/106/messages/", None),
            ("/v24.0//106/messages", None),
            ("//v24.0//106/messages/", None),
            ("/campaigns/diwali//v24.0/106/messages", Some("diwali")),
            ("//campaigns/diwali/v24.0/106/messages", Some("diwali")),
            ("//campaigns/diwali//v24.0//106/messages/", Some("diwali")),
        ] {
            let expected = send(campaign, false, "/v24.0/106/messages");
            assert_eq!(route(&Method::POST, path), expected, "{path}");
        }
        for path in ["/v24.0/106", "/v24.0/106/", "//v24.0/106", "/v24.0//106/"] {
            let expected = Route::Graph {
                campaign: None,
                kind: GraphPath::Node,
                id: "106",
                path: "/v24.0/106".into(),
            };
            assert_eq!(route(&Method::GET, path), expected, "{path}");
        }
    }

    #[test]
    fn a_slash_that_could_be_a_missing_part_is_named() {
        for path in [
            "///v24.0/106/messages",
            "/v24.0///106/messages",
            "/v24.0/106//messages",
            "/v24.0/106/messages//",
            "/campaigns//diwali/v24.0/106/messages",
            "/campaigns/diwali///v24.0/106/messages",
        ] {
            assert_eq!(route(&Method::POST, path), Route::NotAllowed { slash: true }, "{path}");
        }
        assert_eq!(route(&Method::GET, "/v24.0/106//"), Route::NotAllowed { slash: true });
    }

    #[test]
    fn free_paths_are_told_apart() {
        let graph = |kind, path: &'static str| Route::Graph {
            campaign: None,
            kind,
            id: "106",
            path: path.into(),
        };
        assert_eq!(
            route(&Method::POST, "/v24.0/106/media"),
            graph(GraphPath::MediaUpload, "/v24.0/106/media")
        );
        assert_eq!(route(&Method::GET, "/v24.0/106"), graph(GraphPath::Node, "/v24.0/106"));
        assert_eq!(
            route(&Method::GET, "/v24.0/106/message_templates"),
            graph(GraphPath::Templates, "/v24.0/106/message_templates")
        );
        assert_eq!(
            route(&Method::POST, "/campaigns/diwali/v24.0/106/media"),
            Route::Graph {
                campaign: Some("diwali"),
                kind: GraphPath::MediaUpload,
                id: "106",
                path: "/v24.0/106/media".into(),
            }
        );
        assert_eq!(route(&Method::GET, "/livez"), Route::Alive);
        assert_eq!(route(&Method::GET, "/media/a.b"), Route::Media { segment: "a.b" });
        assert_eq!(route(&Method::POST, "/media/a.b"), Route::NotAllowed { slash: false });
    }
}
