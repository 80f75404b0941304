//! A ClientHello with any number and size of parts.

use std::ops::RangeInclusive;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{assert_serves, exchange, start};
use crate::support::{DOMAIN, PATIENCE};

/// A TLS 1.3 ClientHello (RFC 8446 section 4.1.2).
pub struct Hello {
    suites: Vec<u8>,
    extensions: Vec<Vec<u8>>,
}

const SERVER_NAME: usize = 0;
const GROUPS: usize = 2;
const SIGNATURES: usize = 3;
const KEY_SHARES: usize = 4;

fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &list(content)].concat()
}

/// Prepends the length in two bytes.
fn list(content: &[u8]) -> Vec<u8> {
    [&u16::try_from(content.len()).unwrap().to_be_bytes()[..], content].concat()
}

fn key_share() -> Vec<u8> {
    [&[0, 29][..], &list(&[9; 32])].concat()
}

impl Hello {
    pub fn new() -> Self {
        let name = [&[0][..], &list(DOMAIN.as_bytes())].concat();
        let extensions = vec![
            extension(0, &list(&name)),
            extension(43, &[2, 3, 4]),
            extension(10, &list(&[0, 29])),
            extension(13, &list(&[4, 3])),
            extension(51, &list(&key_share())),
        ];
        Self { suites: vec![0x13, 1, 0x13, 2], extensions }
    }

    fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut hello = Self::new();
        change(&mut hello);
        hello
    }

    /// Empty unknown extensions with these numbers.
    fn unknown(kinds: RangeInclusive<u16>) -> Self {
        Self::with(|hello| hello.extensions.extend(kinds.map(|kind| extension(kind, &[]))))
    }

    /// In records of this size at most.
    pub fn records(&self, size: usize) -> Vec<u8> {
        let mut body = [&[3, 3][..], &[7; 32], &[0]].concat();
        body.extend(list(&self.suites));
        body.extend([1, 0]);
        body.extend(list(&self.extensions.concat()));
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        let message = [&[1, length[1], length[2], length[3]][..], &body].concat();
        message.chunks(size).flat_map(|piece| [&[22, 3, 1][..], &list(piece)].concat()).collect()
    }
}

#[tokio::test]
async fn a_client_hello_of_thousands_of_items_is_answered_or_refused() {
    let (edge, registered, _upstream) = start().await;
    let psk = |hello: &mut Hello| {
        let identity = [&list(&[5; 38])[..], &[0; 4]].concat();
        let binder = [&[32][..], &[6; 32]].concat();
        hello.extensions.push(extension(45, &[1, 1]));
        let offered = [list(&identity.repeat(800)), list(&binder.repeat(800))].concat();
        hello.extensions.push(extension(41, &offered));
    };
    let filled = |hello: &mut Hello| hello.extensions.push(extension(5000, &vec![0; 60_000]));
    let hellos = [
        ("as clients send it", Hello::new()),
        ("extensions", Hello::unknown(2000..=16_999)),
        (
            "the same extension",
            Hello::with(|hello| hello.extensions.extend(vec![extension(9999, &[]); 15_000])),
        ),
        (
            "protocols",
            Hello::with(|hello| hello.extensions.push(extension(16, &list(&[1, b'x'].repeat(30_000))))),
        ),
        (
            "names",
            Hello::with(|hello| {
                hello.extensions[SERVER_NAME] = extension(0, &list(&b"\0\0\x04a.de".repeat(9_000)));
            }),
        ),
        ("suites", Hello::with(|hello| hello.suites = [0x13, 1].repeat(30_000))),
        (
            "signatures",
            Hello::with(|hello| hello.extensions[SIGNATURES] = extension(13, &list(&[4, 3].repeat(30_000)))),
        ),
        (
            "groups",
            Hello::with(|hello| hello.extensions[GROUPS] = extension(10, &list(&[0, 29].repeat(30_000)))),
        ),
        (
            "keys",
            Hello::with(|hello| {
                hello.extensions[KEY_SHARES] = extension(51, &list(&key_share().repeat(1_700)));
            }),
        ),
        ("tickets", Hello::with(psk)),
        ("bytes", Hello::with(filled)),
    ];
    for (what, hello) in &hellos {
        let mut stream = TcpStream::connect(edge.https).await.unwrap();
        stream.write_all(&hello.records(16_384)).await.unwrap();
        let mut start = [0; 6];
        timeout(PATIENCE, stream.read_exact(&mut start)).await.expect("no answer").unwrap();
        let is_server_hello = start[0] == 22 && start[5] == 2;
        let is_alert = start[0] == 21;
        assert!(is_server_hello || is_alert, "{what}: {start:?}");
    }
    // One byte per record: more records than are buffered are refused.
    let pieces = Hello::with(filled).records(1);
    exchange(&edge, &pieces).await;
    edge.wait_for_log("the client's message is larger than 64 KiB");
    assert_serves(&edge, &registered).await;
}
