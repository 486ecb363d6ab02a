//! Where a venue account's links and requests go, checked before anything is sent: no plain text and no private CA except to this
//! machine (F42).
//!
//! Start at [`Routes`]. Every URL that a link or a request of the account may ever need is checked when its sockets are set up.

use crate::error::IoSetupError;
use crate::tls::TlsRoots;
use domain::LinkRole;
use reqwest::Url;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use venue::connector::loopback_class;
use venue::{Connector, LinkId};

/// Both families of this machine, for the name `localhost`, which no name server is asked for.
const LOCALHOST: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// One checked URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// As configured, without a trailing `/` for REST.
    pub(crate) url: String,
    /// Whether TLS is spoken.
    pub(crate) tls: bool,
    /// Host name or address, without brackets.
    pub(crate) host: String,
    /// Port, the scheme's own when none is given.
    pub(crate) port: u16,
}

/// The URLs of one venue account: of its links, and of its REST paths.
///
/// Made of the three [`venue::Endpoints`] of a venue with one host for all (`(&endpoints).into()`), or by [`Routes::of`] for one whose
/// markets have hosts of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routes {
    /// By shard; the last one serves all further shards.
    public: Vec<String>,
    private: String,
    order_entry: String,
    /// Beginnings of paths, and scheme, host and port for them.
    rest: Vec<(String, String)>,
}

impl Routes {
    /// What a connector makes of the configured endpoints.
    pub fn of(connector: &dyn Connector, endpoints: &venue::Endpoints) -> Routes {
        let url = |role, shard| connector.link_url(endpoints, LinkId { role, shard });
        let rest = connector.rest_prefixes().iter().map(|prefix| (prefix.to_string(), connector.rest_url(endpoints, prefix)));
        Routes {
            public: (0..=u8::MAX).map(|shard| url(LinkRole::Public, shard)).collect(),
            private: url(LinkRole::Private, 0),
            order_entry: url(LinkRole::OrderEntry, 0),
            rest: rest.collect(),
        }
    }
}

impl From<&venue::Endpoints> for Routes {
    fn from(endpoints: &venue::Endpoints) -> Routes {
        Routes {
            public: vec![endpoints.ws.clone()],
            private: endpoints.private_ws.clone(),
            order_entry: endpoints.private_ws.clone(),
            rest: vec![("/".to_string(), endpoints.rest.clone())],
        }
    }
}

/// Routes whose every URL may be used.
#[derive(Clone, Debug)]
pub(crate) struct CheckedRoutes {
    public: Vec<Endpoint>,
    private: Endpoint,
    order_entry: Endpoint,
    /// Longest beginnings first.
    pub(crate) rest: Vec<(String, Endpoint)>,
}

impl CheckedRoutes {
    pub(crate) fn new(routes: &Routes, tls: &TlsRoots) -> Result<CheckedRoutes, IoSetupError> {
        let mut rest = Vec::new();
        for (prefix, base) in &routes.rest {
            let mut endpoint = Endpoint::new("rest", base, ["http", "https"], tls)?;
            // The connector's requests bring their whole path: one here would be lost or doubled.
            let bare = endpoint.url.trim_end_matches('/');
            if bare.splitn(4, '/').nth(3).is_some() || bare.contains('?') {
                return Err(IoSetupError::BadUrl { endpoint: "rest", why: "it must end with the host or port" });
            }
            endpoint.url = bare.to_string();
            rest.push((prefix.clone(), endpoint));
        }
        rest.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        let ws = |name, url: &str| Endpoint::new(name, url, ["ws", "wss"], tls);
        Ok(CheckedRoutes {
            public: routes.public.iter().map(|url| ws("ws", url)).collect::<Result<_, _>>()?,
            private: ws("private_ws", &routes.private)?,
            order_entry: ws("private_ws", &routes.order_entry)?,
            rest,
        })
    }

    /// Where a link goes; `None` for a role without a WebSocket.
    pub(crate) fn link(&self, link: LinkId) -> Option<&Endpoint> {
        match link.role {
            LinkRole::Public => self.public.get(usize::from(link.shard)).or(self.public.last()),
            LinkRole::Private => Some(&self.private),
            LinkRole::OrderEntry => Some(&self.order_entry),
            LinkRole::Rest => None,
        }
    }
}

impl Endpoint {
    fn new(endpoint: &'static str, text: &str, schemes: [&'static str; 2], roots: &TlsRoots) -> Result<Endpoint, IoSetupError> {
        let bad = |why| IoSetupError::BadUrl { endpoint, why };
        let url = Url::parse(text).map_err(|_| bad("it does not parse"))?;
        let [plain, secure] = schemes;
        let tls = match url.scheme() {
            scheme if scheme == secure => true,
            scheme if scheme == plain => false,
            _ if secure == "https" => return Err(bad("its scheme must be https (or http for this machine)")),
            _ => return Err(bad("its scheme must be wss (or ws for this machine)")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("it must not hold a user name or password"));
        }
        if url.fragment().is_some() {
            return Err(bad("it must not hold a fragment"));
        }
        let host = url.host_str().filter(|h| !h.is_empty()).ok_or_else(|| bad("it names no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_string();
        let port = url.port_or_known_default().ok_or_else(|| bad("it names no port"))?;
        // Asked of the text and of the parsed host: a spelling on which two parsers differ is not this machine.
        let loopback = loopback_class(text).is_some() && loopback_class(&format!("x://{}", url.authority())).is_some();
        if !loopback && !tls {
            return Err(IoSetupError::PlainNotLoopback { endpoint, host, remedy: secure });
        }
        if !loopback && roots.is_own_ca() {
            return Err(IoSetupError::ExtraCaNotLoopback { endpoint, host });
        }
        Ok(Endpoint { url: text.to_string(), tls, host, port })
    }

    /// The addresses of `localhost`, which must be this machine whatever a resolver says; `None` for any other host.
    pub(crate) fn localhost_addresses(&self) -> Option<[SocketAddr; 2]> {
        (self.host == "localhost").then(|| LOCALHOST.map(|ip| SocketAddr::new(ip, self.port)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The checked REST and WebSocket endpoints of a venue with one host for all.
    #[derive(Debug)]
    struct Checked {
        rest: Endpoint,
        ws: Endpoint,
    }

    fn check(rest: &str, ws: &str) -> Result<Checked, String> {
        let endpoints = venue::Endpoints { rest: rest.to_string(), ws: ws.to_string(), private_ws: ws.to_string() };
        let routes = CheckedRoutes::new(&Routes::from(&endpoints), &TlsRoots::bundled()).map_err(|e| e.to_string())?;
        let link = LinkId { role: LinkRole::Public, shard: 9 };
        let ws = routes.link(link).expect("public links have one").clone();
        let [(_, rest)] = routes.rest.as_slice() else { panic!("one REST host") };
        Ok(Checked { rest: rest.clone(), ws })
    }

    #[test]
    fn a_venue_of_many_hosts_has_each_of_them_checked() {
        let routes = |second: &str, other: &str| Routes {
            public: vec!["wss://one.example.com/a".into(), second.into()],
            private: "wss://one.example.com/p".into(),
            order_entry: "wss://one.example.com/o".into(),
            rest: vec![("/api/".into(), "https://one.example.com".into()), ("/api/v9/".into(), other.into())],
        };
        let new = |routes: &Routes| CheckedRoutes::new(routes, &TlsRoots::bundled()).map_err(|e| e.to_string());
        let good = new(&routes("wss://two.example.com/b", "https://two.example.com")).unwrap();
        let host = |role, shard| good.link(LinkId { role, shard }).map(|endpoint| endpoint.url.as_str());
        assert_eq!(host(LinkRole::Public, 0), Some("wss://one.example.com/a"));
        assert_eq!(host(LinkRole::Public, 1), Some("wss://two.example.com/b"));
        assert_eq!(host(LinkRole::OrderEntry, 0), Some("wss://one.example.com/o"));
        assert_eq!(host(LinkRole::Rest, 0), None);
        let prefixes: Vec<&str> = good.rest.iter().map(|(prefix, _)| prefix.as_str()).collect();
        assert_eq!(prefixes, ["/api/v9/", "/api/"], "the longest beginning is tried first");
        assert!(new(&routes("ws://two.example.com", "https://two.example.com")).unwrap_err().contains("without TLS"));
        assert!(new(&routes("wss://two.example.com", "http://two.example.com")).unwrap_err().contains("without TLS"));
        assert!(new(&routes("wss://two.example.com", "https://two.example.com/x")).unwrap_err().contains("host or port"));
    }

    #[test]
    fn plain_text_goes_to_this_machine_only() {
        for rest in ["http://127.0.0.1:80", "http://localhost:1/", "http://[::1]:7", "https://api.example.com", "https://h:444/"]
        {
            assert!(check(rest, "wss://api.example.com/ws/v4/").is_ok(), "{rest}");
        }
        for rest in [
            "http://api.example.com",
            "http://10.0.0.1",
            "http://0.0.0.0:80",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "http://[::ffff:10.0.0.1]",
            "http://2130706433.example.com",
        ] {
            let error = check(rest, "wss://h/").unwrap_err();
            assert!(error.contains("without TLS") && error.contains("`rest`") && error.ends_with("use https"), "{rest}: {error}");
        }
        let error = check("https://h", "ws://stream.example.com/ws").unwrap_err();
        assert_eq!(error, "`ws` would talk to stream.example.com without TLS, which is allowed only to this machine: use wss");
    }

    #[test]
    fn urls_that_could_be_read_in_two_ways_are_refused() {
        for rest in [
            "",
            "api.example.com",
            "ftp://127.0.0.1",
            "wss://127.0.0.1",
            "https://",
            "https://user:secret@h",
            "https://h/api/v4",
            "https://h?x=1",
            "https://h#x",
            "http://127.0.0.1@example.com",
            "http://127.0.0.1\\@example.com",
        ] {
            let error = check(rest, "wss://h/").unwrap_err();
            assert!(error.contains("rest") && !error.contains("secret"), "{rest}: {error}");
        }
        assert!(check("https://h", "https://h/ws").unwrap_err().contains("wss"));
    }

    #[test]
    fn ports_and_hosts_are_as_written() {
        let checked = check("https://API.example.com/", "ws://[::1]:99/ws/v4/?x=1").unwrap();
        assert_eq!((checked.rest.host.as_str(), checked.rest.port, checked.rest.tls), ("api.example.com", 443, true));
        assert_eq!(checked.rest.url, "https://API.example.com");
        assert_eq!((checked.ws.host.as_str(), checked.ws.port, checked.ws.tls), ("::1", 99, false));
        assert_eq!(checked.ws.localhost_addresses(), None);
        let local = check("http://localhost:5", "ws://localhost:6/").unwrap();
        assert!(local.ws.localhost_addresses().unwrap().iter().all(|a| a.ip().is_loopback() && a.port() == 6));
    }
}
