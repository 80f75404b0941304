//! Tests of profiles against other implementations' encoders and decoders, and of removal against spellings.

mod bytes;
mod fixture;
mod keycloak;
mod spoofing;
