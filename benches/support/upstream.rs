//! An upstream that costs next to nothing.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

/// The body of every request that it takes.
pub const BODY: &str = "client_id=payments";

/// Answers every request at once with `{}`; gives its address. It lives as long as the process.
pub fn upstream() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || answer(stream));
        }
    });
    address
}

fn answer(mut stream: TcpStream) {
    stream.set_nodelay(true).unwrap();
    let mut buffer = [0; 16384];
    let mut read = 0;
    // Heads come alone or with their bodies; the body, which is always the same, ends a request.
    while let Ok(count @ 1..) = stream.read(&mut buffer[read..]) {
        read += count;
        if buffer[..read].ends_with(BODY.as_bytes()) {
            read = 0;
            if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").is_err() {
                return;
            }
        }
    }
}
