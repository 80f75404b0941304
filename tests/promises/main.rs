//! The edge's promises, tested from outside: the real program on a loopback port, real TLS clients, a real
//! upstream that records what it receives. One module per promise.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub
)]

mod access_tokens;
mod admin;
mod applications_page;
mod binding;
mod body_memory;
mod ca_chain;
mod ca_constraints;
mod ca_hierarchy;
mod ca_names;
mod ca_policies;
mod ca_subject;
mod cancelled_requests;
mod cannot_bind;
mod certificate_bound;
mod chain_cost;
mod challenges;
mod check_messages;
mod check_probe;
mod chunks;
mod client_addresses;
mod client_auth;
mod client_secrets;
mod command_line;
mod commands;
mod configured_methods;
mod connection_limits;
mod credentials;
mod crl_sources;
mod crls;
mod cryptography;
mod descriptors;
mod doctor;
mod drain;
mod early_refusals;
mod expires_at;
mod fapi2;
mod forwarding;
mod handover;
mod handshake_limits;
mod handshake_reasons;
mod health;
mod hosts;
mod http2_floods;
mod init;
mod inspect;
mod inspect_keys;
mod inspect_tokens;
mod lenient;
mod limits;
mod log_bounds;
mod log_file;
mod log_full;
mod log_schema;
mod memory_returned;
mod messages;
mod metrics;
mod metrics_format;
mod model;
mod one_reading;
mod operate_page;
mod own_responses;
mod packages;
mod parking;
mod parsers;
mod paths;
mod pipes;
mod plain_http;
mod possession;
mod private_key_jwt;
mod probes;
mod profiles;
mod refusal_codes;
mod registered_methods;
mod reload;
mod reload_files;
mod reload_reasons;
mod reload_report;
mod reload_settings;
mod reload_whole;
mod request_objects;
mod request_rates;
mod revocation;
mod rotation;
mod second_source;
mod secrets;
mod secrets_in_configuration;
mod security_page;
mod self_signed;
mod server_validity;
mod sessions;
mod signals;
mod slow_readers;
mod smuggling;
mod socket_activation;
mod spoofing;
mod status;
mod status_command;
mod structure;
mod support;
mod tickets;
mod tls_hostile;
mod tools;
mod trust_files;
mod turns;
mod upgrades;
mod upstream_dns;
mod upstream_failures;
mod upstream_hostile;
mod upstream_http2;
mod upstream_killed;
mod upstream_lifetimes;
mod upstream_mtls;
mod upstream_origins;
mod upstream_responses;
mod upstream_tls;
mod upstream_unix;
