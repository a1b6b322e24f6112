//! Gateway keys: their form, and the keyed hashes that replace keys, recipients and bodies in the
//! ledger.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::ids::ChannelId;
use crate::ledger::{Fingerprint, RecipientHash};
use crate::pricing::{Identity, Recipient};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Prefixes of keys that carry a checksum.
const LIVE: &str = "tg_live_";
const TEST: &str = "tg_test_";

/// 27 characters of base 62 hold 160 bits.
const RANDOM_CHARACTERS: usize = 27;
const CHECKSUM_CHARACTERS: usize = 6;

/// A new key. It is shown once and not kept.
pub struct KeyText(String);

impl KeyText {
    /// Returns a random live key. Its checksum shows a mistyped key without a look into the ledger.
    ///
    /// # Errors
    /// The operating system gave no randomness.
    pub fn fresh() -> Result<KeyText, getrandom::Error> {
        let mut text = String::from(LIVE);
        let mut bytes = [0u8; 64];
        while text.len() < LIVE.len() + RANDOM_CHARACTERS {
            getrandom::fill(&mut bytes)?;
            // 248 is the largest multiple of 62 in a byte: higher values would make some characters
            // likelier than others.
            let fair = bytes
                .iter()
                .filter(|byte| **byte < 248)
                .map(|byte| char::from(ALPHABET[usize::from(byte % 62)]));
            text.extend(fair.take(LIVE.len() + RANDOM_CHARACTERS - text.len()));
        }
        let checksum = checksum(&text);
        text.push_str(&checksum);
        Ok(KeyText(text))
    }

    /// The whole key, to be shown once.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key's last four characters.
    pub fn ends_with(&self) -> &str {
        ends_with(&self.0)
    }
}

/// Returns the last four characters of a key, by which people distinguish keys.
pub fn ends_with(key: &str) -> &str {
    key.get(key.len().saturating_sub(4)..).unwrap_or("")
}

/// Returns whether `key` can be a key: 16 to 255 visible ASCII characters, with the right checksum
/// if it begins like one of ours.
pub fn is_well_formed(key: &str) -> bool {
    if !(16..=255).contains(&key.len()) || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return false;
    }
    if !key.starts_with(LIVE) && !key.starts_with(TEST) {
        return true;
    }
    let Some((body, given)) =
        key.len().checked_sub(CHECKSUM_CHARACTERS).and_then(|at| key.split_at_checked(at))
    else {
        return false;
    };
    key.len() == LIVE.len() + RANDOM_CHARACTERS + CHECKSUM_CHARACTERS && checksum(body) == given
}

fn checksum(body: &str) -> String {
    let mut rest = crc32(body.as_bytes());
    let mut digits = [b'0'; CHECKSUM_CHARACTERS];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[usize::try_from(rest % 62).unwrap_or(0)];
        rest /= 62;
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

/// CRC-32 (ISO-HDLC): secret scanners verify other vendors' keys by the same checksum.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Returns `bytes` as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// Whether `text` is what [`hex`] makes of `bytes`.
pub fn is_hex_of(text: &str, bytes: &[u8]) -> bool {
    let digits = |byte: &u8| [byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]);
    text.bytes().eq(bytes.iter().flat_map(digits))
}

/// Hashes with the ledger's secret. Each kind of input has a domain of its own, so that equal bytes
/// of two kinds have different hashes.
#[derive(Clone)]
pub struct KeyHasher(Hmac<Sha256>);

impl KeyHasher {
    /// A hasher with the ledger's secret.
    pub fn new(pepper: &[u8; 32]) -> KeyHasher {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
        let keyed = <Hmac<Sha256> as KeyInit>::new_from_slice(pepper).expect("any length is a key");
        KeyHasher(keyed)
    }

    fn digest<const N: usize>(&self, domain: &[u8], parts: &[&[u8]]) -> [u8; N] {
        let mut mac = self.0.clone();
        mac.update(domain);
        for part in parts {
            mac.update(part);
        }
        let full = mac.finalize().into_bytes();
        let mut short = [0u8; N];
        short.copy_from_slice(&full[..N]);
        short
    }

    /// The hash of a gateway key.
    pub fn key(&self, key: &str) -> Fingerprint {
        self.digest(b"key\0", &[key.as_bytes()])
    }

    /// The hash of a person: the same for every spelling of a number.
    pub fn recipient(&self, identity: &Identity<'_>) -> RecipientHash {
        self.digest(b"recipient\0", &[identity.as_str().as_bytes()])
    }

    /// The hash of a recipient as it was written: of a number's digits, or a BSUID.
    pub fn spelled(&self, recipient: &Recipient) -> RecipientHash {
        self.digest(b"recipient\0", &[recipient.as_str().as_bytes()])
    }

    /// The hash of a body, which may be in two parts; the same have another hash on another channel
    /// or endpoint, and if they meet elsewhere.
    pub fn body(
        &self,
        channel: &ChannelId,
        endpoint: &str,
        before: &[u8],
        after: &[u8],
    ) -> Fingerprint {
        let met_at = (before.len() as u64).to_be_bytes();
        let names = [channel.as_str().as_bytes(), endpoint.as_bytes()];
        self.digest(b"body\0", &[names[0], b"\0", names[1], b"\0", &met_at, before, after])
    }

    /// The signature of a media URL's contents.
    pub fn media_url(&self, contents: &[u8]) -> [u8; 32] {
        self.digest(b"media url\0", &[contents])
    }

    /// The hash of an idempotency key.
    pub fn idempotency_key(&self, key: &[u8]) -> Fingerprint {
        self.digest(b"idempotency\0", &[key])
    }
}

#[cfg(test)]
mod tests {
    use super::{KeyText, crc32, is_well_formed};

    #[test]
    fn crc_is_the_known_one() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn a_mistyped_key_is_no_key() {
        let key = KeyText::fresh().expect("randomness");
        assert!(is_well_formed(key.as_str()));
        let mut wrong = key.as_str().to_owned();
        let last = wrong.pop().expect("a character");
        wrong.push(if last == 'a' { 'b' } else { 'a' });
        assert!(!is_well_formed(&wrong));
        assert!(!is_well_formed("tg_live_short"));
        assert!(!is_well_formed("has a space inside it"));
        assert!(is_well_formed("bootstrap-key-of-16+"));
    }
}
