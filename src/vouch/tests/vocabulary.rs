//! The configuration knows the same names as this module.

use crate::{
    config::schema::{BUILT_IN_PROFILES, ENCODINGS},
    vouch::{Encoding, Profile},
};

#[test]
fn the_configuration_offers_the_very_profiles_and_encodings_that_exist() {
    assert_eq!(BUILT_IN_PROFILES, Profile::built_in_names());
    assert_eq!(ENCODINGS, Encoding::names().collect::<Vec<_>>());
    for name in ENCODINGS {
        assert!(name.parse::<Encoding>().is_ok(), "{name}");
    }
    for name in BUILT_IN_PROFILES {
        assert_eq!(Profile::built_in(name).unwrap().name(), *name);
    }
}
