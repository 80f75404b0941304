//! The folder with everything that outlives the process, and that the edges that share it have in common.
//!
//! | file | content |
//! | --- | --- |
//! | `account.json` | the account at the CA with its key |
//! | `NAME.pem` | the certificate chain and the key of a domain |
//! | `NAME.pem.new` | the same, issued and not checked yet |
//! | `NAME.retry` | after failed orders: why, and when the next one follows |
//! | `challenges/NAME` | the digest of a pending validation, in base64url |
//! | `lock` | locked by the process that orders |

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use instant_acme::AccountCredentials;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    clock::Timestamp,
    config::file::{self, Readers, create_folder, replace},
    tls::ChallengeDigest,
};

/// The largest file that is read, in bytes.
const LIMIT: u64 = 1 << 20;

/// The folder.
#[derive(Clone, Debug)]
pub(super) struct State {
    folder: PathBuf,
}

/// The account, and what it was made with.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredAccount {
    pub(super) directory: String,
    pub(super) contact: Vec<String>,
    pub(super) credentials: AccountCredentials,
}

/// Orders that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Retry {
    /// How many, in succession.
    pub(super) failures: u32,
    /// When the first one failed.
    pub(super) since: Timestamp,
    /// When the next one follows.
    pub(super) next: Timestamp,
    /// Why the last one failed.
    pub(super) why: String,
}

/// The right to order, until it is dropped or the process ends.
#[derive(Debug)]
pub(super) struct Lock(#[allow(dead_code, reason = "unlocked when it is closed")] File);

/// A validation that the CA is about to perform, until it is dropped.
#[derive(Debug)]
pub(super) struct Announcement(PathBuf);

impl Drop for Announcement {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl State {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Takes the right to order. None while another process has it.
    pub(super) fn lock(&self) -> io::Result<Option<Lock>> {
        create_folder(&self.folder)?;
        let path = self.folder.join("lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Lock(file))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The account. One that cannot be read is as good as none.
    pub(super) fn account(&self) -> Option<StoredAccount> {
        self.json("account.json")
    }

    pub(super) fn put_account(&self, account: &StoredAccount) -> io::Result<()> {
        self.put("account.json", &serde_json::to_vec_pretty(account)?)
    }

    pub(super) fn forget_account(&self) {
        let _ = fs::remove_file(self.folder.join("account.json"));
    }

    /// Failed orders of a domain.
    pub(super) fn retry(&self, domain: &str) -> Option<Retry> {
        self.json(&format!("{domain}.retry"))
    }

    pub(super) fn put_retry(&self, domain: &str, retry: &Retry) -> io::Result<()> {
        self.put(&format!("{domain}.retry"), &serde_json::to_vec_pretty(retry)?)
    }

    pub(super) fn forget_retry(&self, domain: &str) {
        let _ = fs::remove_file(self.folder.join(format!("{domain}.retry")));
    }

    /// Writes an issued certificate with its key beside the file that it is to replace, and returns where.
    pub(super) fn put_issued(file: &Path, pem: &[u8]) -> io::Result<PathBuf> {
        let mut beside = file.as_os_str().to_owned();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        replace(&beside, pem, Readers::Owner)?;
        Ok(beside)
    }

    /// Announces a validation to every process that shares the folder, until the announcement is dropped.
    pub(super) fn announce(&self, domain: &str, digest: &ChallengeDigest) -> io::Result<Announcement> {
        let name = format!("challenges/{domain}");
        self.put(&name, URL_SAFE_NO_PAD.encode(digest).as_bytes())?;
        Ok(Announcement(self.folder.join(name)))
    }

    /// Withdraws all validations, such as those of a process that was killed. Only for the process that orders.
    pub(super) fn clear_challenges(&self) {
        for entry in fs::read_dir(self.folder.join("challenges")).into_iter().flatten().flatten() {
            let _ = fs::remove_file(entry.path());
        }
    }

    /// The announced validations of these domains.
    pub(super) fn challenges<'a>(
        &self,
        domains: impl Iterator<Item = &'a str>,
    ) -> BTreeMap<Box<str>, ChallengeDigest> {
        let folder = self.folder.join("challenges");
        // One look at the folder, which is almost always empty, instead of one per domain.
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        let announced: BTreeSet<_> = entries.map(|entry| entry.file_name()).collect();
        let pending = domains.filter(|domain| announced.contains(OsStr::new(domain))).filter_map(|domain| {
            let text = file::read(&folder.join(domain), LIMIT).ok()?;
            let digest = URL_SAFE_NO_PAD.decode(text.trim_ascii()).ok()?;
            Some((domain.into(), digest.try_into().ok()?))
        });
        pending.collect()
    }

    fn json<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let content = file::read_with_mode(&self.folder.join(name), LIMIT).ok()?;
        serde_json::from_slice(&content.bytes).ok()
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        replace(&self.folder.join(name), bytes, Readers::Owner)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn challenges_are_seen_by_all_who_share_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (State::new(folder.path()), State::new(folder.path()));
        let digest: ChallengeDigest = std::array::from_fn(|index| u8::try_from(index * 7).unwrap());
        let names = ["a.example", "b.example"];
        assert!(other.challenges(names.into_iter()).is_empty());
        let announced = ["a.example", "c.example"].map(|domain| one.announce(domain, &digest).unwrap());
        fs::write(folder.path().join("challenges/b.example"), "AAAA").unwrap();
        assert_eq!(other.challenges(names.into_iter()), BTreeMap::from([("a.example".into(), digest)]));
        drop(announced);
        assert!(other.challenges(names.into_iter()).is_empty());
        fs::write(folder.path().join("challenges/a.example"), "of a process that was killed").unwrap();
        other.clear_challenges();
        assert!(fs::read_dir(folder.path().join("challenges")).unwrap().next().is_none());
    }

    #[test]
    fn only_one_process_orders() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::new(&folder.path().join("a/b"));
        let lock = state.lock().unwrap().unwrap();
        assert!(state.lock().unwrap().is_none());
        drop(lock);
        assert!(state.lock().unwrap().is_some());
    }

    #[test]
    fn what_is_written_is_for_the_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::new(folder.path());
        let at = Timestamp::from_unix(1_800_000_000);
        let retry = Retry { failures: 1, since: at, next: at, why: "x".to_owned() };
        state.put_retry("a.example", &retry).unwrap();
        assert_eq!(state.retry("a.example"), Some(retry));
        let issued = State::put_issued(&folder.path().join("a.example.pem"), b"key").unwrap();
        for file in [issued, folder.path().join("a.example.retry")] {
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        state.forget_retry("a.example");
        assert_eq!(state.retry("a.example"), None);
    }
}
