//! Properties of the parsers: the twin of the fuzz targets, on mutations of their seeds (`fuzz/`).

use std::{fs, path::Path};

use proptest::{prelude::*, sample::Index, test_runner::TestRunner};

use crate::support::EdgeBuilder;

#[path = "../../fuzz/checks/admin.rs"]
mod admin;
#[path = "../../fuzz/checks/assertion.rs"]
mod assertion;
#[path = "../../fuzz/checks/certificate_key.rs"]
mod certificate_key;
#[path = "../../fuzz/checks/config.rs"]
mod config;
#[path = "../../fuzz/checks/distinguished_name.rs"]
mod distinguished_name;
#[path = "../../fuzz/checks/form.rs"]
mod form;
#[path = "../../fuzz/checks/http1_response.rs"]
mod http1_response;
#[path = "../../fuzz/checks/jose.rs"]
mod jose;
#[path = "../../fuzz/checks/json.rs"]
mod json;
#[path = "../../fuzz/checks/key_set.rs"]
mod key_set;
#[path = "../../fuzz/checks/pbe.rs"]
mod pbe;
#[path = "../../fuzz/checks/pem.rs"]
mod pem;
#[path = "../../fuzz/checks/proxy_header.rs"]
mod proxy_header;
#[path = "../../fuzz/checks/request_object.rs"]
mod request_object;
#[path = "../../fuzz/checks/signed.rs"]
mod signed;

/// The seeds of a target.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// One mutation of an input, as libFuzzer makes them.
#[derive(Clone, Debug)]
enum Edit {
    Set(u8),
    Insert(Vec<u8>),
    Remove(usize),
    Repeat(usize),
    /// A part of another seed.
    Splice(Index, Index, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        any::<u8>().prop_map(Edit::Set),
        prop::collection::vec(any::<u8>(), 1..4).prop_map(Edit::Insert),
        "[ -~\r\n]{1,6}".prop_map(|text| Edit::Insert(text.into_bytes())),
        (1..20_usize).prop_map(Edit::Remove),
        (1..40_usize).prop_map(Edit::Repeat),
        (any::<Index>(), any::<Index>(), 1..40_usize)
            .prop_map(|(seed, at, length)| Edit::Splice(seed, at, length)),
    ]
}

fn part(bytes: &[u8], at: usize, length: usize) -> Vec<u8> {
    bytes[at..bytes.len().min(at + length)].to_vec()
}

/// A seed of this target with a few mutations.
fn input(target: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let seeds = seeds(target);
    let edits = prop::collection::vec((any::<Index>(), edit()), 0..6);
    (any::<Index>(), edits).prop_map(move |(seed, edits)| {
        let mut input = seeds[seed.index(seeds.len())].clone();
        for (at, edit) in edits {
            if input.is_empty() {
                break;
            }
            let at = at.index(input.len());
            let (end, inserted) = match edit {
                Edit::Set(byte) => (at + 1, vec![byte]),
                Edit::Insert(bytes) => (at, bytes),
                Edit::Remove(length) => (input.len().min(at + length), Vec::new()),
                Edit::Repeat(length) => (at, part(&input, at, length)),
                Edit::Splice(seed, from, length) => {
                    let other = &seeds[seed.index(seeds.len())];
                    (at, part(other, from.index(other.len()), length))
                }
            };
            input.splice(at..end, inserted);
        }
        input
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_response_is_read_as_hyper_reads_it_or_refused(input in input("http1_response")) {
        http1_response::check(&input);
    }

    #[test]
    fn a_proxy_header_is_read_by_its_grammar_to_the_byte(input in input("proxy_header")) {
        proxy_header::check(&input);
    }

    #[test]
    fn a_name_that_is_read_is_printed_and_read_back(input in input("distinguished_name")) {
        distinguished_name::check(&input);
    }

    #[test]
    fn a_form_names_the_client_that_every_server_reads(input in input("form")) {
        form::check(&input);
    }

    #[test]
    fn an_object_names_the_client_that_every_server_reads(input in input("json")) {
        json::check(&input);
    }

    #[test]
    fn tokens_and_keys_mean_what_serde_json_finds(input in input("jose")) {
        jose::check(&input);
    }

    #[test]
    fn a_certificates_key_is_that_of_the_full_parser(input in input("certificate_key")) {
        certificate_key::check(&input);
    }

    #[test]
    fn a_pem_file_is_read_as_rustls_reads_it_or_refused(input in input("pem")) {
        pem::check(&input);
    }

    #[test]
    fn a_keystore_is_opened_with_a_key_and_a_certificate_or_refused(input in input("pbe")) {
        pbe::check(&input);
    }

    #[test]
    fn an_assertion_is_accepted_if_it_is_by_the_key_for_us_now(input in input("assertion")) {
        assertion::check(&input);
    }

    #[test]
    fn a_request_object_is_accepted_if_it_is_by_the_key(input in input("request_object")) {
        request_object::check(&input);
    }

    #[test]
    fn a_key_set_verifies_what_its_keys_signed(input in input("key_set")) {
        key_set::check(&input);
    }

    #[test]
    fn a_configuration_is_settings_or_errors_at_their_places(input in input("config")) {
        config::check(&input);
    }
}

#[test]
fn an_operators_request_is_answered_with_data() {
    let edge = EdgeBuilder::new("http://127.0.0.1:1")
        .usual_domain("auth0")
        .self_signed_application(admin::CLIENT_ID, &["ab".repeat(32)])
        .secret_file("admin.token", admin::TOKEN)
        .extra("[admin]\ntoken = { file = \"admin.token\" }")
        .start();
    for (name, status, is_shown) in
        [("page", "200", true), ("json", "200", true), ("pipelined", "200", false), ("post", "405", false)]
    {
        let answered = admin::answered(edge.admin, &seed("admin", name));
        assert_eq!(answered, (status.to_owned(), is_shown), "{name}");
    }
    let mut mutations = TestRunner::new(ProptestConfig::with_cases(1_000));
    let checked = mutations.run(&input("admin"), |input| {
        admin::check(edge.admin, &input);
        Ok(())
    });
    checked.unwrap();
}

/// What a fuzz target found is kept as a seed.
#[test]
fn every_seed_as_it_is_passes_its_check() {
    type Check = fn(&[u8]);
    let checks: [(&str, Check); 13] = [
        ("assertion", assertion::check),
        ("certificate_key", certificate_key::check),
        ("config", config::check),
        ("distinguished_name", distinguished_name::check),
        ("form", form::check),
        ("http1_response", http1_response::check),
        ("jose", jose::check),
        ("json", json::check),
        ("key_set", key_set::check),
        ("pbe", pbe::check),
        ("pem", pem::check),
        ("proxy_header", proxy_header::check),
        ("request_object", request_object::check),
    ];
    for (target, check) in checks {
        for seed in seeds(target) {
            check(&seed);
        }
    }
}

/// A seed of a target by its name.
fn seed(target: &str, name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target).join(name)).unwrap()
}

#[test]
fn mutations_begin_at_inputs_that_are_accepted() {
    for name in ["honest", "by-kid", "fapi"] {
        assert!(assertion::is_accepted(&seed("assertion", name)), "{name}");
    }
    for name in ["honest", "contradictions"] {
        assert!(request_object::is_accepted(&seed("request_object", name)), "{name}");
    }
    for (name, count) in [("each-kind", 3), ("by-kid", 2)] {
        assert_eq!(key_set::accepted(&seed("key_set", name)), count, "{name}");
    }
    for (name, accepted) in [("edge", (true, 0)), ("edge-every-credential", (true, 0))] {
        assert_eq!(config::accepted(&seed("config", name)), accepted, "{name}");
    }
    for (name, count) in [("applications", 2), ("applications-every-credential", 6)] {
        assert_eq!(config::accepted(&seed("config", name)), (false, count), "{name}");
    }
}
