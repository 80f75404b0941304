//! The store moves to another process: values, and then every decision. Each shard moves as a whole, so that no value is accepted on
//! both sides.

use std::{io, sync::Arc};

use super::{
    Replay, ReplayStore,
    shard::Found,
    usage::{ClientKey, Id, lock},
};
use crate::clock::Timestamp;

/// One use of a `jti`, as hashes that stores with the same [`StoreKeys`] share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    pub(super) id: Id,
    /// When the assertion expires.
    pub(super) until: Timestamp,
    /// When it was presented.
    pub(super) now: Timestamp,
    /// `[limits] assertion_ids` of the process that received it.
    pub(super) limit: usize,
}

/// The size of an encoded [`Use`].
pub const USE_BYTES: usize = VALUE_BYTES + 16;
/// The size of an encoded value: digest, client, expiry.
const VALUE_BYTES: usize = 32;

impl Use {
    /// Encodes it.
    #[must_use]
    pub fn encode(&self) -> [u8; USE_BYTES] {
        let mut bytes = [0; USE_BYTES];
        let (value, rest) = bytes.split_at_mut(VALUE_BYTES);
        value.copy_from_slice(&encode_value(self.id, self.until));
        let (now, limit) = rest.split_at_mut(8);
        now.copy_from_slice(&self.now.unix().to_be_bytes());
        limit.copy_from_slice(&u64::try_from(self.limit).unwrap_or(u64::MAX).to_be_bytes());
        bytes
    }

    /// Decodes it.
    #[must_use]
    pub fn decode(bytes: &[u8; USE_BYTES]) -> Option<Self> {
        let (value, rest) = bytes.split_first_chunk()?;
        let (id, until) = decode_value(value)?;
        let (now, limit) = rest.split_first_chunk()?;
        let limit = u64::from_be_bytes(*limit.first_chunk()?);
        Some(Self {
            id,
            until,
            now: Timestamp::from_unix(i64::from_be_bytes(*now)),
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
        })
    }
}

fn encode_value(id: Id, until: Timestamp) -> [u8; VALUE_BYTES] {
    let mut bytes = [0; VALUE_BYTES];
    let (digest, rest) = bytes.split_at_mut(16);
    digest.copy_from_slice(&id.digest);
    let (client, end) = rest.split_at_mut(8);
    client.copy_from_slice(&id.client.0.to_be_bytes());
    end.copy_from_slice(&until.unix().to_be_bytes());
    bytes
}

fn decode_value(bytes: &[u8; VALUE_BYTES]) -> Option<(Id, Timestamp)> {
    let (digest, rest) = bytes.split_first_chunk()?;
    let (client, until) = rest.split_first_chunk()?;
    let id = Id { digest: *digest, client: ClientKey(u64::from_be_bytes(*client)) };
    Some((id, Timestamp::from_unix(i64::from_be_bytes(*until.first_chunk()?))))
}

/// The process that took over gives no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// The process that decides for this one after it took over.
pub trait Successor: std::fmt::Debug + Send + Sync {
    /// Records a use there.
    fn record(&self, used: &Use) -> Result<Result<(), Replay>, Gone>;
}

impl ReplayStore {
    /// Moves every value to `successor`, one encoded shard per call of `send`, and from then on asks it about each use. A shard is locked
    /// while it is sent: a use of one of its values is decided either here before, and its value is sent, or there.
    ///
    /// # Errors
    ///
    /// That of `send`. The store must then be taken back.
    pub fn hand_over(
        &self,
        successor: Arc<dyn Successor>,
        mut send: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        *lock(&self.successor) = Some(successor);
        for shard in &self.shards {
            let mut shard = lock(shard);
            shard.is_moved = true;
            let mut bytes = shard.forgotten().unix().to_be_bytes().to_vec();
            bytes.extend(shard.values().flat_map(|(id, until)| encode_value(id, until)));
            send(&bytes)?;
        }
        Ok(())
    }

    /// Decides here again, if the process that was to take over never served. It must have ended.
    pub fn take_back(&self) {
        *lock(&self.successor) = None;
        for shard in &self.shards {
            lock(shard).is_moved = false;
        }
    }

    /// Adds the values of a shard of the process that this one replaces. Returns false if they are malformed.
    #[must_use]
    pub fn adopt(&self, bytes: &[u8], now: Timestamp) -> bool {
        let Some((forgotten, values)) = bytes.split_first_chunk() else { return false };
        let forgotten = Timestamp::from_unix(i64::from_be_bytes(*forgotten));
        for shard in &self.shards {
            lock(shard).forget_until(forgotten);
        }
        let (values, rest) = values.as_chunks();
        for (id, until) in values.iter().filter_map(decode_value) {
            self.keep(id, until, now);
        }
        rest.is_empty()
    }

    /// Records a use that another process received.
    pub fn record_use(&self, used: &Use) -> Result<(), Replay> {
        let first = self.record_once(used);
        if !matches!(first, Err(Replay::Full | Replay::ClientFull)) {
            return first;
        }
        self.sweep_once(used.now);
        self.record_once(used)
    }

    /// Records a use in a shard that has moved.
    pub(super) fn record_there(&self, used: &Use) -> Result<(), Replay> {
        let successor = lock(&self.successor).clone();
        match successor.map(|successor| successor.record(used)) {
            // Kept here, too, for the case that the store is taken back. If that has happened, and the value was used again since, this use
            // is the second.
            Some(Ok(Ok(()))) => self.keep(used.id, used.until, used.now).then_some(()).ok_or(Replay::Used),
            Some(Ok(refused)) => refused,
            Some(Err(Gone)) => Err(Replay::Unreachable),
            // Taken back meanwhile.
            None => self.record_once(used),
        }
    }

    /// Adds a value beyond the limit. False if it was used already.
    fn keep(&self, id: Id, until: Timestamp, now: Timestamp) -> bool {
        let mut shard = self.shard(id);
        if until <= now {
            shard.forget_until(until);
            return true;
        }
        match shard.find(id, until, now) {
            Found::Used => return false,
            Found::Expired => shard.remove(id, &self.usage),
            Found::Nothing => {}
        }
        self.usage.take(id.client);
        shard.insert(id, until, now, &self.usage);
        true
    }
}
