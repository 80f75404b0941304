//! Profiles against another implementation's encoders, and removal against spellings.

mod bytes;
mod spoofing;
