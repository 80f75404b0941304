//! The messages between the two processes.

use std::{io, net::SocketAddr};

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::{
    listen::Purpose,
    replay::{Replay, USE_BYTES, Use},
};

/// The version of the protocol. Programs of different versions cannot take over from each other.
const VERSION: u32 = 2;

/// What the old process begins with. Its sockets follow, in the order of their places.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    /// Each listening socket.
    pub places: Vec<Place>,
    /// When each store began to be filled, in seconds since 1970, and the keys of its hashes; in the order of [`Store`].
    pub stores: [(i64, [u64; 2]); 2],
    /// The text of the configuration, if the old process has read it from its standard input.
    #[serde(default)]
    pub configuration: Option<Box<str>>,
}

/// What a listening socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Whom it is for.
    pub purpose: Purpose,
    /// The configured address.
    pub address: Option<SocketAddr>,
}

/// The random ticket keys of a domain.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketKeys {
    /// The domain's name.
    pub domain: Box<str>,
    /// The domain's rule of client authentication, to which the keys are bound.
    pub client_auth: Box<str>,
    /// The secret of each key, the one that encrypts first.
    pub secrets: Vec<[u8; 32]>,
    /// When the first was made, in seconds since 1970.
    pub since: i64,
}

impl Drop for TicketKeys {
    fn drop(&mut self) {
        self.secrets.zeroize();
    }
}

/// The last use of a credential.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastUse {
    /// The application.
    pub client_id: Box<str>,
    /// The credential's name.
    pub credential: Box<str>,
    /// Whether it is one of `[[application.certificate]]`.
    pub role: Box<str>,
    /// SHA-256 of what it matches: another one of the same name was not used.
    pub registered: [u8; 32],
    /// In seconds since 1970.
    pub at: i64,
    /// When the certificate that was used expires, in seconds since 1970.
    pub not_after: Option<i64>,
}

/// A store of used values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// Of assertions.
    Assertions,
    /// Of DPoP proofs.
    Proofs,
}

/// A message.
#[derive(Debug, PartialEq, Eq)]
pub enum Message {
    /// The first message of the old process.
    Begin(Begin),
    /// The new process has read its configuration and can serve.
    Built,
    /// Ticket keys of domains.
    Tickets(Vec<TicketKeys>),
    /// Last uses of credentials.
    Uses(Vec<LastUse>),
    /// The values of one shard of a store.
    Values(Store, Vec<u8>),
    /// The old process has sent everything.
    Complete,
    /// The new process has adopted everything.
    Ready,
    /// The new process serves from now on.
    Go,
    /// The old process received an assertion.
    Record(Store, Use),
    /// Whether it was used before.
    Recorded(Result<(), Replay>),
}

impl Message {
    /// The number by which the kind is sent.
    pub(super) const fn kind(&self) -> u8 {
        match self {
            Self::Begin(_) => 1,
            Self::Built => 2,
            Self::Tickets(_) => 3,
            Self::Uses(_) => 4,
            Self::Values(Store::Assertions, _) => 5,
            Self::Values(Store::Proofs, _) => 6,
            Self::Complete => 7,
            Self::Ready => 8,
            Self::Go => 9,
            Self::Record(Store::Assertions, _) => 10,
            Self::Record(Store::Proofs, _) => 11,
            Self::Recorded(_) => 12,
        }
    }

    /// Everything but the kind.
    pub(super) fn payload(&self) -> io::Result<Zeroizing<Vec<u8>>> {
        let bytes = match self {
            Self::Begin(begin) => serde_json::to_vec(&(VERSION, begin))?,
            Self::Tickets(keys) => serde_json::to_vec(keys)?,
            Self::Uses(uses) => serde_json::to_vec(uses)?,
            Self::Values(_, values) => values.clone(),
            Self::Record(_, used) => used.encode().to_vec(),
            Self::Recorded(result) => vec![result.err().map_or(0, Replay::code)],
            Self::Built | Self::Complete | Self::Ready | Self::Go => Vec::new(),
        };
        Ok(Zeroizing::new(bytes))
    }

    /// Parses a message of this kind.
    pub(super) fn parse(kind: u8, mut payload: Zeroizing<Vec<u8>>) -> io::Result<Self> {
        let used = |payload: &[u8]| {
            let bytes: &[u8; USE_BYTES] = payload.try_into().ok()?;
            Use::decode(bytes)
        };
        Ok(match kind {
            1 => Self::Begin(begin(&payload)?),
            2 => Self::Built,
            3 => Self::Tickets(serde_json::from_slice(&payload)?),
            4 => Self::Uses(serde_json::from_slice(&payload)?),
            5 => Self::Values(Store::Assertions, std::mem::take(&mut *payload)),
            6 => Self::Values(Store::Proofs, std::mem::take(&mut *payload)),
            7 => Self::Complete,
            8 => Self::Ready,
            9 => Self::Go,
            10 | 11 => {
                let store = if kind == 10 { Store::Assertions } else { Store::Proofs };
                Self::Record(store, used(&payload).ok_or_else(|| invalid("a malformed use"))?)
            }
            12 => match **payload {
                [0] => Self::Recorded(Ok(())),
                [code] => {
                    Self::Recorded(Err(Replay::of_code(code).ok_or_else(|| invalid("an unknown refusal"))?))
                }
                _ => return Err(invalid("a malformed answer")),
            },
            _ => return Err(invalid("an unknown message")),
        })
    }
}

fn begin(payload: &[u8]) -> io::Result<Begin> {
    let (version, begin): (u32, serde_json::Value) = serde_json::from_slice(payload)?;
    if version != VERSION {
        return Err(invalid("the running program is of a version from which this one cannot take over"));
    }
    Ok(serde_json::from_value(begin)?)
}

/// The other process does not keep to the protocol.
pub(super) fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_as_they_were_written() {
        let place = Place { purpose: Purpose::Health, address: Some("[::1]:443".parse().unwrap()) };
        let keys = TicketKeys {
            domain: "a.test".into(),
            client_auth: "required".into(),
            secrets: vec![[7; 32]],
            since: -1,
        };
        let last = LastUse {
            client_id: "a".into(),
            credential: "c".into(),
            role: "credential".into(),
            registered: [3; 32],
            at: 1,
            not_after: None,
        };
        for message in [
            Message::Begin(Begin {
                places: vec![place],
                stores: [(i64::MIN, [1, u64::MAX]), (0, [0, 0])],
                configuration: Some("[listen]\n".into()),
            }),
            Message::Tickets(vec![keys]),
            Message::Uses(vec![last]),
            Message::Values(Store::Proofs, vec![1, 2]),
            Message::Record(Store::Assertions, Use::decode(&[9; USE_BYTES]).unwrap()),
            Message::Recorded(Ok(())),
            Message::Recorded(Err(Replay::Used)),
            Message::Recorded(Err(Replay::Unreachable)),
            Message::Go,
        ] {
            let parsed = Message::parse(message.kind(), message.payload().unwrap()).unwrap();
            assert_eq!(parsed, message);
        }
    }

    #[test]
    fn another_version_is_refused_whatever_follows() {
        let error = begin(b"[1, \"anything\"]").unwrap_err();
        assert!(error.to_string().contains("cannot take over"), "{error}");
    }
}
