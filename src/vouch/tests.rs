//! Profiles against other implementations' encoders and decoders, and removal against spellings.

mod bytes;
mod fixture;
mod keycloak;
mod spoofing;
