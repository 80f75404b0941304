//! Detects plaintext HTTP by the first bytes of a connection.

/// The first bytes that a peer sends: enough for a method of usual length with the beginning of its target, and for the HTTP/2 preface.
#[derive(Debug)]
pub(super) struct FirstBytes {
    bytes: [u8; 24],
    length: usize,
}

/// The protocol that the first bytes belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// HTTP/1: a request line.
    Http1,
    /// HTTP/2: its connection preface (RFC 9113 section 3.4).
    Http2,
    /// More bytes are needed to tell HTTP from other protocols.
    Undecided,
    /// Anything else, such as TLS.
    Other,
}

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

impl FirstBytes {
    pub(super) const fn new() -> Self {
        Self { bytes: [0; 24], length: 0 }
    }

    /// Appends the next bytes, up to the capacity.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        let free = self.bytes.get_mut(self.length..).unwrap_or_default();
        for (free, byte) in free.iter_mut().zip(bytes) {
            *free = *byte;
            self.length += 1;
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// Whether no byte was received.
    pub(super) const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether this is HTTP or may become it. TLS never does: its records begin with byte 22.
    pub(super) fn may_be_http(&self) -> bool {
        self.bytes().first().is_some_and(u8::is_ascii_uppercase) && self.protocol() != Protocol::Other
    }

    /// Detects the protocol. All registered methods consist of capital letters and hyphens. A request target begins with a slash or a
    /// scheme, is `*` for OPTIONS, and is a host for CONNECT (RFC 9112 section 3.2).
    pub(super) fn protocol(&self) -> Protocol {
        let bytes = self.bytes();
        if PREFACE.starts_with(bytes) {
            return if bytes.len() < PREFACE.len() { Protocol::Undecided } else { Protocol::Http2 };
        }
        let is_letter = |byte: &u8| byte.is_ascii_uppercase() || *byte == b'-';
        let letters = bytes.iter().take_while(|byte| is_letter(byte)).count();
        let (method, rest) = bytes.split_at(letters);
        let is_full = bytes.len() == self.bytes.len();
        match rest {
            _ if method.is_empty() => Protocol::Other,
            [] | [b' '] if is_full => Protocol::Other,
            [] | [b' '] => Protocol::Undecided,
            [b' ', b'/' | b'*', ..] => Protocol::Http1,
            [b' ', host, ..] if method == b"CONNECT" && (host.is_ascii_alphanumeric() || *host == b'[') => {
                Protocol::Http1
            }
            [b' ', target @ ..] => {
                let begins = |scheme: &[u8]| {
                    let length = target.len().min(scheme.len());
                    let same = target.get(..length).is_some_and(|start| {
                        start.eq_ignore_ascii_case(scheme.get(..length).unwrap_or_default())
                    });
                    same.then_some(length == scheme.len())
                };
                match begins(b"http://").or_else(|| begins(b"https://")) {
                    Some(true) => Protocol::Http1,
                    Some(false) if !is_full => Protocol::Undecided,
                    _ => Protocol::Other,
                }
            }
            _ => Protocol::Other,
        }
    }

    /// Whether this is a header of the PROXY protocol, of version 1 or 2.
    pub(super) fn is_proxy_header(&self) -> bool {
        self.bytes().starts_with(b"PROXY ") || self.bytes().starts_with(b"\r\n\r\n\0\r\nQUIT\n")
    }

    /// Whether this is a HEAD request.
    pub(super) fn is_head(&self) -> bool {
        self.bytes().starts_with(b"HEAD ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protocol(bytes: &[u8]) -> Protocol {
        let mut first = FirstBytes::new();
        // In pieces, as TCP may deliver them.
        bytes.chunks(5).for_each(|piece| first.extend(piece));
        if bytes.first().is_some_and(u8::is_ascii_uppercase) {
            assert_eq!(first.may_be_http(), first.protocol() != Protocol::Other);
        } else {
            assert!(!first.may_be_http());
        }
        first.protocol()
    }

    #[test]
    fn http_is_detected_by_the_first_bytes() {
        for request in [
            "GET / HTTP/1.1\r\n",
            "GET /",
            "G /",
            "POST /oauth/token HTTP/1.1\r\n",
            "OPTIONS * HTTP/1.1\r\n",
            "M-SEARCH * HTTP/1.1\r\n",
            "VERSION-CONTROL /a",
            "CONNECT a.example:443 HTTP/1.1\r\n",
            "GET http://a.example/ HTTP/1.1\r\n",
            "GET HTTPS://a.example/ HTTP/1.1\r\n",
        ] {
            assert_eq!(protocol(request.as_bytes()), Protocol::Http1, "{request}");
        }
        assert_eq!(protocol(PREFACE), Protocol::Http2);
        for undecided in ["P", "PRI", "PRI * HTTP/2.0\r\n", "POST", "POST ", "OPTIO", "GET ht"] {
            assert_eq!(protocol(undecided.as_bytes()), Protocol::Undecided, "{undecided}");
        }
        for other in [
            "EHLO mail.example\r\n",
            "QUIT\r\n",
            "SSH-2.0-OpenSSH_9.2\r\n",
            "USER root\r\n",
            "get / HTTP/1.1\r\n",
            " GET / HTTP/1.1\r\n",
            "\x16\x03\x01\x02\x00\x01",
            "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
            "GET  / HTTP/1.1",
            "GET httq://",
            "PRI * HTTP/2.0\r\n\r\nXX",
            "",
        ] {
            let expected = if other.starts_with("PRI * ") { Protocol::Http1 } else { Protocol::Other };
            let expected = if other.is_empty() { Protocol::Undecided } else { expected };
            assert_eq!(protocol(other.as_bytes()), expected, "{other}");
        }
    }
}
