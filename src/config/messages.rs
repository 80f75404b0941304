//! Every kind of mistake with the whole message that it gets, by area.

// One form of literal for all messages: a new quote in one must not change the look of the case.
#![allow(clippy::needless_raw_string_hashes)]

macro_rules! messages {
    ($read:ident: $($name:ident: $text:literal => $message:literal;)*) => {
        $(#[test] fn $name() { assert_eq!($read($text), $message); })*
    };
}

mod application;
mod credential;
mod crl_sources;
mod domain;
mod file;
mod foreign;
mod formats;
mod keys;
mod listen;
mod meant;
mod numbers;
mod profile;
mod proxies;
mod route;
mod secret;
mod syntax;
mod unseen;
mod upstream;
mod values;

use super::testing::{edge, registry};

fn edge_messages(text: &str) -> String {
    let (_, problems, rendered) = edge(text);
    assert!(!rendered.contains("hunter2"), "{rendered}");
    assert!(problems.iter().all(|p| !p.to_string().contains("hunter2") && !p.to_string().contains('\n')));
    rendered
}

fn registry_messages(text: &str) -> String {
    registry(text).2
}
