//! The gateway's own URLs of media objects: they name account, channel and Meta's URL, hold for a
//! short time, and are signed with the ledger's secret, so that every gateway of the ledger knows
//! its own.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

use crate::catalog::KeyHasher;
use crate::ids::{AccountId, ChannelId};

/// What a media URL of the gateway leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaUrl {
    /// Whose media object it is.
    pub account: AccountId,
    /// The channel with whose token it is fetched.
    pub channel: ChannelId,
    /// Meta's URL of it.
    pub target: String,
    /// Until when it may be fetched, in Unix milliseconds, exclusive.
    pub expires_ms: i64,
}

/// Why a media URL leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MediaUrlError {
    /// Its signature is not the gateway's.
    #[error("this media URL was not made by this gateway, or was changed")]
    Forged,
    /// Its time is over.
    #[error("this media URL has expired; read the media object again for a new one")]
    Expired,
}

impl MediaUrl {
    /// The last segment of the gateway's URL: contents, a dot, signature.
    pub fn sign(&self, hasher: &KeyHasher) -> String {
        let MediaUrl { account, channel, target, expires_ms } = self;
        let contents = format!("{expires_ms}\n{account}\n{channel}\n{target}");
        let signature = URL_SAFE_NO_PAD.encode(hasher.media_url(contents.as_bytes()));
        format!("{}.{signature}", URL_SAFE_NO_PAD.encode(contents))
    }

    /// Reads what [`MediaUrl::sign`] wrote.
    ///
    /// # Errors
    /// A text that was not signed with this secret, or whose time is over at `now_ms`.
    pub fn read(segment: &str, hasher: &KeyHasher, now_ms: i64) -> Result<MediaUrl, MediaUrlError> {
        let url = MediaUrl::verified(segment, hasher).ok_or(MediaUrlError::Forged)?;
        if now_ms < url.expires_ms { Ok(url) } else { Err(MediaUrlError::Expired) }
    }

    fn verified(segment: &str, hasher: &KeyHasher) -> Option<MediaUrl> {
        let (contents, signature) = segment.split_once('.')?;
        let contents = URL_SAFE_NO_PAD.decode(contents).ok()?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        if !bool::from(hasher.media_url(&contents)[..].ct_eq(&signature)) {
            return None;
        }
        let contents = String::from_utf8(contents).ok()?;
        let mut parts = contents.splitn(4, '\n');
        Some(MediaUrl {
            expires_ms: parts.next()?.parse().ok()?,
            account: parts.next()?.parse().ok()?,
            channel: parts.next()?.parse().ok()?,
            target: parts.next()?.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{MediaUrl, MediaUrlError};
    use crate::catalog::KeyHasher;

    fn url() -> MediaUrl {
        MediaUrl {
            account: "acme".parse().expect("an id"),
            channel: "106540352242922".parse().expect("an id"),
            target: "https://lookaside.fbsbx.com/x/?mid=1&hash=A".into(),
            expires_ms: 1_000,
        }
    }

    #[test]
    fn what_was_signed_is_read_until_it_expires() {
        let hasher = KeyHasher::new(&[7; 32]);
        let signed = url().sign(&hasher);
        assert!(signed.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)));
        assert_eq!(MediaUrl::read(&signed, &hasher, 999), Ok(url()));
        assert_eq!(MediaUrl::read(&signed, &hasher, 1_000), Err(MediaUrlError::Expired));
    }

    #[test]
    fn what_was_changed_is_refused() {
        let hasher = KeyHasher::new(&[7; 32]);
        let signed = url().sign(&hasher);
        let forged = |text: &str| {
            assert_eq!(MediaUrl::read(text, &hasher, 0), Err(MediaUrlError::Forged), "{text}");
        };
        for at in 0..signed.len() {
            let mut changed = signed.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            forged(std::str::from_utf8(&changed).expect("ASCII"));
            forged(&signed[..at]);
        }
        forged(&format!("{signed}A"));
        forged(&url().sign(&KeyHasher::new(&[8; 32])));
        let other = MediaUrl { expires_ms: 2_000, ..url() }.sign(&hasher);
        let (contents, _) = other.split_once('.').expect("a dot");
        let (_, signature) = signed.split_once('.').expect("a dot");
        forged(&format!("{contents}.{signature}"));
    }
}
