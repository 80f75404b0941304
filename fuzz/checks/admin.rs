//! A request to the admin address of a running edge: whatever it is, there is an answer; without the token it learns nothing; and what is
//! shown with the token is data, not markup.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

/// The edge's token for its admin address.
pub const TOKEN: &str = "0123456789abcdef-fuzz";
/// The edge's one application, which only an operator may see.
pub const CLIENT_ID: &str = "hidden-application";
/// The longest time for an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// The statuses of the admin address, and those with which hyper refuses what it cannot read.
const STATUSES: [&str; 10] = ["200", "303", "400", "401", "404", "405", "414", "421", "431", "503"];

/// Checks a request to the admin address of an edge with [`TOKEN`] and [`CLIENT_ID`]: as it is, and with the token after its first line.
pub fn check(admin: SocketAddr, input: &[u8]) {
    // An invalid token has its own tests: the answer is held back.
    if String::from_utf8_lossy(input).to_ascii_lowercase().contains("authorization") {
        return;
    }
    let refused = answer(admin, input, Some(Shutdown::Write));
    assert!(!refused.contains(CLIENT_ID) && !refused.contains("mtls_edge_"), "{refused}");
    let Some(line) = input.windows(2).position(|bytes| bytes == b"\r\n") else { return };
    let (first, rest) = input.split_at(line);
    let token = format!("\r\nauthorization: Bearer {TOKEN}");
    shown(&answer(admin, &[first, token.as_bytes(), rest].concat(), Some(Shutdown::Write)));
}

/// What is sent back until the edge closes the connection, with its first status among those that there are.
fn answer(admin: SocketAddr, request: &[u8], end: Option<Shutdown>) -> String {
    let mut stream = TcpStream::connect(admin).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The edge may have refused it before its end.
    let _ = stream.write_all(request).and_then(|()| end.map_or(Ok(()), |end| stream.shutdown(end)));
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "no answer to {request:?}");
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status =
        answer.strip_prefix("HTTP/1.1 ").or_else(|| answer.strip_prefix("HTTP/1.0 ")).map(|rest| &rest[..3]);
    assert!(answer.is_empty() || status.is_some_and(|status| STATUSES.contains(&status)), "{answer}");
    answer
}

/// A page has its own script and no other, whatever the request searches for.
fn shown(answer: &str) {
    let pages = answer.matches("<!doctype html>").count();
    let lower = answer.to_ascii_lowercase();
    assert_eq!(lower.matches("<script").count(), pages, "{answer}");
    assert!(
        !lower.contains("<img") && !lower.contains("<iframe") && !lower.contains("javascript:"),
        "{answer}"
    );
}

/// The first status of the answer to a request with the token, which closes the connection, and whether it shows the application.
pub fn answered(admin: SocketAddr, input: &[u8]) -> (String, bool) {
    let text =
        String::from_utf8_lossy(input).replacen("\r\n", &format!("\r\nauthorization: Bearer {TOKEN}\r\n"), 1);
    let answer = answer(admin, text.as_bytes(), None);
    (answer[9..12].to_owned(), answer.contains(CLIENT_ID))
}
