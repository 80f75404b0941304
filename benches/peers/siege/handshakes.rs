//! Handshakes without an end, by strangers.

use std::time::Duration;

use rcgen::{KeyPair, PKCS_ECDSA_P521_SHA512, PKCS_RSA_SHA256, RsaKeySize};
use testkit::{Ca, Credentials, certificates::self_signed_by};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{sleep, timeout},
};

use super::scene::{Scene, crowd};
use crate::harness::outcome::Outcome;

/// The longest time for a handshake.
const PATIENCE: Duration = Duration::from_secs(10);
/// After a failure to connect.
const PAUSE: Duration = Duration::from_millis(100);
/// CAs between the leaf and the root.
const INTERMEDIATES: usize = 9;

/// Sends one recorded ClientHello again and again, and leaves when the server has answered.
pub async fn replay(scene: &Scene, count: usize) {
    let hello = &scene.client(0, None).hello();
    crowd(count, async |number| {
        let client = scene.client(number, None);
        loop {
            let answered = timeout(PATIENCE, async {
                let mut stream = client.tcp().await?;
                stream.write_all(hello).await?;
                let read = stream.read(&mut [0; 4096]).await?;
                // Closed by RST: no port stays in TIME-WAIT.
                socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
                std::io::Result::Ok(read)
            });
            match answered.await {
                Ok(Ok(1..)) => scene.tally.count("answered"),
                Ok(_) => {
                    scene.tally.count("refused");
                    sleep(PAUSE).await;
                }
                Err(_) => scene.tally.count("no answer"),
            }
        }
    })
    .await;
}

/// Completes handshakes with these credentials, and waits for the verdict: one byte of an alert or the end.
pub async fn with(scene: &Scene, count: usize, credentials: &Credentials) {
    crowd(count, async |number| {
        let client = scene.client(number, Some(credentials));
        loop {
            let done = timeout(PATIENCE, async {
                let mut stream = client.connect().await?;
                let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost: mtls.auth.example.test\r\n\r\n").await;
                let _ = stream.read(&mut [0; 512]).await;
                let _ = socket2::SockRef::from(stream.get_ref().0).set_linger(Some(Duration::ZERO));
                Outcome::Ok(())
            });
            match done.await {
                Ok(Ok(())) => scene.tally.count("handshake"),
                Ok(Err(_)) => {
                    scene.tally.count("refused");
                    sleep(PAUSE).await;
                }
                Err(_) => scene.tally.count("no answer"),
            }
        }
    })
    .await;
}

/// A self-signed certificate with the largest usual RSA key.
pub fn rsa_4096() -> Credentials {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_4096).unwrap();
    self_signed_by(&key, "stranger", |_| {})
}

/// A self-signed certificate whose signatures are the slowest to verify.
pub fn p_521() -> Credentials {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512).unwrap();
    self_signed_by(&key, "stranger", |_| {})
}

/// A leaf below nine intermediate CAs of an unknown root.
pub fn chain() -> Credentials {
    let mut cas = vec![Ca::new("Stranger Root")];
    for number in 0..INTERMEDIATES {
        let issued = cas[number].intermediate(&format!("Stranger {number}"), |params| {
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        });
        cas.push(issued);
    }
    let leaf = cas[INTERMEDIATES].issue("stranger", |_| {});
    let above: Vec<_> = cas.iter().skip(1).rev().map(Ca::der).collect();
    leaf.with_chain(&above)
}
