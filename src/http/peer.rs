//! Who is at the other end of a connection: its own address, or the one that a trusted proxy in
//! front of it names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use http::{Extensions, HeaderMap};
use ipnet::IpNet;
use tokio_util::sync::CancellationToken;

/// The signature that a PROXY protocol header of version 2 begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The proxies that may name the address of a client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Their networks.
    pub networks: Vec<IpNet>,
    /// They begin each connection with a PROXY protocol header of version 2; otherwise they add
    /// `X-Forwarded-For` to each request.
    pub proxy_protocol: bool,
}

impl TrustedProxies {
    /// Whether `address` is one of them. An IPv4 address is also one of a network that is written
    /// as IPv6 but is a part of `::ffff:0:0/96`.
    pub fn contains(&self, address: IpAddr) -> bool {
        let mapped = match address {
            IpAddr::V4(address) => Some(IpAddr::V6(address.to_ipv6_mapped())),
            IpAddr::V6(_) => None,
        };
        self.networks.iter().any(|network| {
            let mapped = mapped.as_ref().filter(|_| network.prefix_len() >= 96);
            network.contains(&address) || mapped.is_some_and(|mapped| network.contains(mapped))
        })
    }
}

/// The peer of one connection; in the extensions of each of its requests.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The client's address, or that of the last proxy, if `forwarded` is set.
    pub address: IpAddr,
    /// The proxies whose `X-Forwarded-For` counts on this connection, if it comes from one.
    pub forwarded: Option<Arc<TrustedProxies>>,
    /// Cancelled when the client has closed its sending side: it still gets its answer, but may
    /// not read it.
    pub finished: CancellationToken,
}

impl Peer {
    /// A client that speaks for itself.
    pub fn new(address: IpAddr) -> Peer {
        Peer { address, forwarded: None, finished: CancellationToken::new() }
    }

    /// The client of a request: behind trusted proxies the last address in `X-Forwarded-For` that
    /// is none of theirs. What an untrusted client writes there counts for nothing.
    pub fn client(&self, headers: &HeaderMap) -> IpAddr {
        let Some(proxies) = &self.forwarded else { return self.address };
        let mut client = self.address;
        let hops = headers.get_all("x-forwarded-for").iter().rev();
        let texts = hops.flat_map(|value| value.to_str().unwrap_or_default().rsplit(','));
        for text in texts {
            let Some(hop) = address(text.trim()) else { break };
            client = hop;
            if !proxies.contains(hop) {
                break;
            }
        }
        client
    }
}

/// Whom a limit by address counts as one: an IPv4 address itself; of an IPv6 address the /64
/// network, all of which one client may have.
pub fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
    }
}

/// The network of the client that sent a request, if its connection is known.
pub fn client_network(extensions: &Extensions, headers: &HeaderMap) -> Option<IpAddr> {
    Some(network(extensions.get::<Peer>()?.client(headers)))
}

/// An address as proxies write it: with a port or without, IPv6 in brackets or not.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.split(']').next()).unwrap_or(text);
    let parsed = bare.parse::<IpAddr>().ok().or_else(|| {
        let (host, port) = bare.rsplit_once(':')?;
        port.parse::<u16>().ok()?;
        host.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
    });
    parsed.map(|address| address.to_canonical())
}

/// A PROXY protocol header at the beginning of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyHeader {
    /// More bytes are needed to tell.
    Partial,
    /// There is a header of so many bytes. `client` is `None` if the proxy speaks for itself, as
    /// for its health checks, or for a client without an IP address.
    Whole {
        /// The address of the client.
        client: Option<IpAddr>,
        /// Bytes of the header.
        length: usize,
    },
    /// There is none, or it cannot be read.
    Malformed,
}

/// Longest header that is read: addresses and the optional values behind them.
const LONGEST: usize = 4096;

/// Reads a PROXY protocol header, version 2 (specification: HAProxy, `proxy-protocol.txt`, 2.2).
pub fn proxy_header(read: &[u8]) -> ProxyHeader {
    let start = SIGNATURE.len().min(read.len());
    if read.get(..start) != SIGNATURE.get(..start) {
        return ProxyHeader::Malformed;
    }
    let Some(&[version_command, family, high, low]) = read.get(12..16) else {
        return ProxyHeader::Partial;
    };
    let length = 16_usize.saturating_add(usize::from(u16::from_be_bytes([high, low])));
    if version_command >> 4 != 2 || length > LONGEST {
        return ProxyHeader::Malformed;
    }
    let Some(addresses) = read.get(16..length) else { return ProxyHeader::Partial };
    // The low half: 0 is LOCAL, 1 is PROXY. The high half of the family: 1 is IPv4, 2 is IPv6.
    let client = match (version_command & 0x0f, family >> 4) {
        (0, _) | (1, 0 | 3) => None,
        (1, 1) => match addresses.first_chunk::<4>() {
            Some(&octets) if addresses.len() >= 12 => Some(IpAddr::V4(Ipv4Addr::from(octets))),
            _ => return ProxyHeader::Malformed,
        },
        (1, 2) => match addresses.first_chunk::<16>() {
            Some(&octets) if addresses.len() >= 36 => {
                Some(IpAddr::V6(Ipv6Addr::from(octets)).to_canonical())
            }
            _ => return ProxyHeader::Malformed,
        },
        _ => return ProxyHeader::Malformed,
    };
    ProxyHeader::Whole { client, length }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{HeaderMap, HeaderValue};

    use super::{Peer, ProxyHeader, SIGNATURE, TrustedProxies, proxy_header};

    #[track_caller]
    fn client(from: &str, forwarded: &[&str], expected: &str) {
        let proxies = TrustedProxies {
            networks: vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()],
            proxy_protocol: false,
        };
        let address = from.parse().unwrap();
        let trusted = proxies.contains(address);
        let trusted = trusted.then(|| Arc::new(proxies));
        let peer = Peer { forwarded: trusted, ..Peer::new(address) };
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_str(value).unwrap());
        }
        assert_eq!(peer.client(&headers).to_string(), expected, "{from} {forwarded:?}");
    }

    #[test]
    fn only_trusted_proxies_name_a_client() {
        client("192.0.2.1", &["198.51.100.9"], "192.0.2.1");
        client("10.1.1.1", &[], "10.1.1.1");
        client("10.1.1.1", &["198.51.100.9"], "198.51.100.9");
        client("10.1.1.1", &["1.1.1.1, 198.51.100.9, 10.2.2.2"], "198.51.100.9");
        client("10.1.1.1", &["1.1.1.1", "198.51.100.9"], "198.51.100.9");
        client("10.1.1.1", &["198.51.100.9:4711"], "198.51.100.9");
        client("fd00::1", &["[2001:db8::1]:443"], "2001:db8::1");
        client("10.1.1.1", &["::ffff:198.51.100.9"], "198.51.100.9");
        client("10.1.1.1", &["unknown"], "10.1.1.1");
        client("10.1.1.1", &["1.1.1.1, unknown, 10.2.2.2"], "10.2.2.2");
    }

    #[test]
    fn a_network_of_mapped_addresses_is_one_of_ipv4() {
        let contains = |network: &str, address: &str| {
            let networks = vec![network.parse().unwrap()];
            let proxies = TrustedProxies { networks, proxy_protocol: false };
            proxies.contains(address.parse().unwrap())
        };
        assert!(contains("::ffff:10.0.0.0/104", "10.1.2.3"));
        assert!(!contains("::ffff:10.0.0.0/104", "11.1.2.3"));
        assert!(contains("::ffff:10.0.0.1/128", "10.0.0.1"));
        assert!(contains("10.0.0.0/8", "10.1.2.3"));
        // All of IPv6 is nothing of IPv4.
        assert!(contains("::/0", "2001:db8::1") && !contains("::/0", "10.1.2.3"));
        assert!(!contains("0.0.0.0/0", "2001:db8::1"));
    }

    fn header(version_command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let mut header = SIGNATURE.to_vec();
        let length = u16::try_from(addresses.len()).unwrap();
        header.extend([version_command, family]);
        header.extend(length.to_be_bytes());
        header.extend(addresses);
        header
    }

    #[test]
    fn a_proxy_header_names_the_client() {
        let v4 = [192, 0, 2, 7, 10, 0, 0, 1, 0, 80, 1, 187];
        let whole = |client: Option<&str>, length| ProxyHeader::Whole {
            client: client.map(|text| text.parse().unwrap()),
            length,
        };
        let mut read = header(0x21, 0x11, &v4);
        assert_eq!(proxy_header(&read), whole(Some("192.0.2.7"), 28));
        for short in 0..read.len() {
            assert_eq!(proxy_header(&read[..short]), ProxyHeader::Partial, "{short}");
        }
        read.extend(b"POST / HTTP/1.1");
        assert_eq!(proxy_header(&read), whole(Some("192.0.2.7"), 28));
        let mut v6 = [0; 36];
        v6[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        v6[15] = 5;
        assert_eq!(proxy_header(&header(0x21, 0x21, &v6)), whole(Some("2001:db8::5"), 52));
        assert_eq!(proxy_header(&header(0x20, 0x00, &[])), whole(None, 16));
        assert_eq!(proxy_header(&header(0x21, 0x00, &[1, 2, 3])), whole(None, 19));
        // A socket of the proxy's own machine; its health check in spite of addresses.
        assert_eq!(proxy_header(&header(0x21, 0x31, &[0; 216])), whole(None, 232));
        assert_eq!(proxy_header(&header(0x20, 0x11, &v4)), whole(None, 28));
        // Values behind the addresses, known or not.
        let with_values = [&v4[..], &[0x04, 0, 1, 0, 0xee, 0, 2, 1, 2]].concat();
        assert_eq!(proxy_header(&header(0x21, 0x11, &with_values)), whole(Some("192.0.2.7"), 37));
        // An IPv4 client of a listener that is bound to IPv6.
        let mut mapped = [0; 36];
        mapped[10..16].copy_from_slice(&[0xff, 0xff, 192, 0, 2, 7]);
        assert_eq!(proxy_header(&header(0x21, 0x21, &mapped)), whole(Some("192.0.2.7"), 52));
    }

    #[test]
    fn what_is_no_proxy_header_is_refused() {
        for read in [
            b"POST / HTTP/1.1\r\n".to_vec(),
            b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n".to_vec(),
            header(0x11, 0x11, &[0; 12]),
            header(0x22, 0x11, &[0; 12]),
            header(0x21, 0x11, &[0; 11]),
            header(0x21, 0x21, &[0; 35]),
            header(0x21, 0x41, &[0; 36]),
            header(0x21, 0x11, &[0; 5000]),
        ] {
            assert_eq!(proxy_header(&read), ProxyHeader::Malformed, "{read:?}");
        }
    }
}
