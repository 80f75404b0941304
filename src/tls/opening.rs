//! The first bytes of a connection: TLS, or HTTP without it.

/// What a peer sends first, as far as it takes to know it: a method of usual length with the beginning of its target.
#[derive(Debug)]
pub(super) struct Opening {
    bytes: [u8; 24],
    length: usize,
}

/// What an opening is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A request line of HTTP/1.
    Http1,
    /// The preface of HTTP/2 (RFC 9113 section 3.4).
    Http2,
    /// One of the two, or not: there is too little of it.
    Open,
    /// Anything else, such as TLS.
    Other,
}

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

impl Opening {
    pub(super) const fn new() -> Self {
        Self { bytes: [0; 24], length: 0 }
    }

    /// Takes what fits of the next bytes.
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

    /// Whether nothing came.
    pub(super) const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether it is HTTP, or may turn out to be. TLS never may: its records begin with 22.
    pub(super) fn may_be_http(&self) -> bool {
        self.bytes().first().is_some_and(u8::is_ascii_uppercase) && self.kind() != Kind::Other
    }

    /// Methods are tokens of capital letters in all registries; a target begins with a slash, a scheme or, for OPTIONS, is `*` (RFC 9112
    /// section 3.2). CONNECT is followed by a host.
    pub(super) fn kind(&self) -> Kind {
        let bytes = self.bytes();
        if PREFACE.starts_with(bytes) {
            return if bytes.len() < PREFACE.len() { Kind::Open } else { Kind::Http2 };
        }
        let is_letter = |byte: &u8| byte.is_ascii_uppercase() || *byte == b'-';
        let letters = bytes.iter().take_while(|byte| is_letter(byte)).count();
        let (method, rest) = bytes.split_at(letters);
        let is_full = bytes.len() == self.bytes.len();
        match rest {
            _ if method.is_empty() => Kind::Other,
            [] | [b' '] if is_full => Kind::Other,
            [] | [b' '] => Kind::Open,
            [b' ', b'/' | b'*', ..] => Kind::Http1,
            [b' ', host, ..] if method == b"CONNECT" && (host.is_ascii_alphanumeric() || *host == b'[') => {
                Kind::Http1
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
                    Some(true) => Kind::Http1,
                    Some(false) if !is_full => Kind::Open,
                    _ => Kind::Other,
                }
            }
            _ => Kind::Other,
        }
    }

    pub(super) fn is_head(&self) -> bool {
        self.bytes().starts_with(b"HEAD ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(bytes: &[u8]) -> Kind {
        let mut opening = Opening::new();
        // In pieces, as TCP may bring it.
        bytes.chunks(5).for_each(|piece| opening.extend(piece));
        if bytes.first().is_some_and(u8::is_ascii_uppercase) {
            assert_eq!(opening.may_be_http(), opening.kind() != Kind::Other);
        } else {
            assert!(!opening.may_be_http());
        }
        opening.kind()
    }

    #[test]
    fn requests_are_known_by_their_first_bytes() {
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
            assert_eq!(kind(request.as_bytes()), Kind::Http1, "{request}");
        }
        assert_eq!(kind(PREFACE), Kind::Http2);
        for open in ["P", "PRI", "PRI * HTTP/2.0\r\n", "POST", "POST ", "OPTIO", "GET ht"] {
            assert_eq!(kind(open.as_bytes()), Kind::Open, "{open}");
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
            let expected = if other.starts_with("PRI * ") { Kind::Http1 } else { Kind::Other };
            let expected = if other.is_empty() { Kind::Open } else { expected };
            assert_eq!(kind(other.as_bytes()), expected, "{other}");
        }
    }
}
