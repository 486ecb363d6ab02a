//! Endpoints as configured, checked before anything is sent: no plain text and no private CA except to this machine (F42).

use crate::error::IoSetupError;
use crate::tls::TlsRoots;
use reqwest::Url;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use venue::connector::loopback_class;

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

/// The three endpoints of a venue account.
#[derive(Clone, Debug)]
pub(crate) struct CheckedEndpoints {
    pub(crate) rest: Endpoint,
    pub(crate) ws: Endpoint,
    pub(crate) private_ws: Endpoint,
}

impl CheckedEndpoints {
    pub(crate) fn new(endpoints: &venue::Endpoints, tls: &TlsRoots) -> Result<CheckedEndpoints, IoSetupError> {
        let mut rest = Endpoint::new("rest", &endpoints.rest, ["http", "https"], tls)?;
        // The connector's requests bring their whole path: one here would be lost or doubled.
        let bare = rest.url.trim_end_matches('/');
        if bare.splitn(4, '/').nth(3).is_some() || bare.contains('?') {
            return Err(IoSetupError::BadUrl { endpoint: "rest", why: "it must end with the host or port" });
        }
        rest.url = bare.to_string();
        Ok(CheckedEndpoints {
            rest,
            ws: Endpoint::new("ws", &endpoints.ws, ["ws", "wss"], tls)?,
            private_ws: Endpoint::new("private_ws", &endpoints.private_ws, ["ws", "wss"], tls)?,
        })
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

    fn check(rest: &str, ws: &str) -> Result<CheckedEndpoints, String> {
        let endpoints = venue::Endpoints { rest: rest.to_string(), ws: ws.to_string(), private_ws: ws.to_string() };
        CheckedEndpoints::new(&endpoints, &TlsRoots::bundled()).map_err(|e| e.to_string())
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
