//! The node of a media object. Its id does not name the channel it belongs to, and channels of
//! several accounts may share a token: it is always asked for by a channel of the account, which
//! Meta checks.

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::forward::target;
use super::json_answer::unreadable;
use super::question::{Found, Question};
use super::rejected::Rejected;
use crate::catalog::Snapshot;
use crate::http::body::BodyRoom;
use crate::ids::ChannelId;
use crate::rejection::RejectionKind;
use crate::upstream::target::BaseUrl;

/// By how many channels a media object is asked for if its own is not named.
const MOST_CHANNELS: usize = 64;

/// The part of a media object that is read here.
#[derive(Deserialize)]
struct MediaObject<'a> {
    #[serde(borrow)]
    url: Option<&'a RawValue>,
    #[serde(borrow)]
    mime_type: Option<&'a RawValue>,
}

/// The URL in an answer, as it is written and as a text.
///
/// # Errors
/// An answer that cannot be read, or that is about something else than a media object.
pub fn url(body: &Bytes) -> Result<(&RawValue, String), Rejected> {
    let object: MediaObject<'_> = serde_json::from_slice(body).map_err(|_| unreadable())?;
    let other =
        || Rejected::new(RejectionKind::ChannelUnknown, "the id is not that of a media object");
    let (Some(raw), Some(_)) = (object.url, object.mime_type) else { return Err(other()) };
    serde_json::from_str(raw.get()).map(|text| (raw, text)).map_err(|_| other())
}

/// The channels by which a media object may be asked for: the one that the query names, else any of
/// the account's. No other parameter is passed on, so that no other node can be read with fields.
///
/// # Errors
/// Another parameter, a channel that is not the account's, none, or too many to ask by each.
pub fn channels(snapshot: &Snapshot, query: &str) -> Result<Vec<ChannelId>, Rejected> {
    let unknown = |details: &str| Rejected::new(RejectionKind::ChannelUnknown, details);
    let mut named = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("phone_number_id", number)) if named.is_none() => named = Some(number),
            _ => {
                return Err(Rejected::new(
                    RejectionKind::PathNotAllowed,
                    "reading a media object takes no parameter but phone_number_id",
                ));
            }
        }
    }
    if let Some(number) = named {
        let known = |channel: &ChannelId| snapshot.channels.contains_key(channel);
        return number
            .parse()
            .ok()
            .filter(known)
            .map(|channel| vec![channel])
            .ok_or_else(|| unknown("this key's account has no channel with that phone number ID"));
    }
    let shaped = |(_, channel): &(&ChannelId, &std::sync::Arc<crate::catalog::Channel>)| {
        channel.settings.is_graph_shaped()
    };
    let mut channels: Vec<_> = snapshot.channels.iter().filter(shaped).collect();
    // Those that send come first: one that is switched off may have no token any more.
    channels.sort_by_key(|(id, channel)| (!channel.settings.enabled, *id));
    match channels.len() {
        0 => Err(unknown("the account has no channel whose upstream has media")),
        1..=MOST_CHANNELS => Ok(channels.into_iter().map(|(id, _)| id.clone()).collect()),
        more => Err(unknown(&format!(
            "the account has {more} channels, which are too many to look for the media object at \
             each; name its own with phone_number_id"
        ))),
    }
}

impl Question<'_> {
    /// Reads or deletes a media object: by one channel after the other until one has it. If none
    /// has, the first answer is as good as any. What is deleted is read before, because the id
    /// could be anything's.
    ///
    /// # Errors
    /// Nothing answered, or what has that id is no media object.
    pub async fn media_object(
        &self,
        snapshot: &Snapshot,
        channels: Vec<ChannelId>,
        room: &mut BodyRoom<'_>,
    ) -> Result<Found, Rejected> {
        let mut first = None;
        let mut silent: Vec<BaseUrl> = Vec::new();
        for channel in channels {
            let found = match target(self.service, snapshot, &channel) {
                Ok(target) if silent.contains(&target.base) => continue,
                Ok(target) => {
                    let query = format!("phone_number_id={channel}");
                    let read = Question { method: &Method::GET, query: &query, ..*self };
                    let answer = read.ask(&target, room).await;
                    if answer.is_err() {
                        // What does not answer now makes nobody wait a second time.
                        silent.push(target.base.clone());
                    }
                    answer.map(|answer| Found { channel, target, answer })
                }
                Err(rejected) => Err(rejected),
            };
            match found {
                Ok(mut found) if found.answer.is_success() => {
                    url(found.answer.body())?;
                    if self.method != Method::GET {
                        let query = format!("phone_number_id={}", found.channel);
                        let question = Question { query: &query, ..*self };
                        found.answer = question.ask(&found.target, room).await?;
                    }
                    return Ok(found);
                }
                other => first.get_or_insert(other),
            };
        }
        first.unwrap_or_else(|| {
            let details = "the account has no channel whose upstream has media";
            Err(Rejected::new(RejectionKind::ChannelUnknown, details))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::url;
    use bytes::Bytes;

    #[test]
    fn only_a_media_object_has_the_url_of_one() {
        let kind = r#""mime_type":"image/png""#;
        for (body, expected) in [
            (format!(r#"{{"url":"https:\/\/a\/b",{kind}}}"#), Ok("https://a/b")),
            (format!(r#"{{"id":"url","x":{{"url":"y"}},{kind}, "url" : "z" }}"#), Ok("z")),
            (r#"{"url":"a"}"#.to_owned(), Err("channel_unknown")),
            (format!(r#"{{"id":"1",{kind}}}"#), Err("channel_unknown")),
            (format!(r#"{{"url":7,{kind}}}"#), Err("channel_unknown")),
            (format!(r#"{{"url":null,{kind}}}"#), Err("channel_unknown")),
            (format!(r#"{{"url":"a","url":"b",{kind}}}"#), Err("upstream_no_answer")),
            (format!(r#"{{"url":"a","\u0075rl":"b",{kind}}}"#), Err("upstream_no_answer")),
            (format!(r#"[{{"url":"a",{kind}}}]"#), Err("upstream_no_answer")),
            (format!("\u{feff}{{\"url\":\"a\",{kind}}}"), Err("upstream_no_answer")),
            (String::new(), Err("upstream_no_answer")),
        ] {
            let bytes = Bytes::from(body.clone());
            let found = url(&bytes).map(|(_, text)| text).map_err(|rejected| rejected.kind.name());
            assert_eq!(found, expected.map(str::to_owned), "{body}");
        }
    }
}
