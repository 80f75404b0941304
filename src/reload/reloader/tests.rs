//! Files that change between two steps of a reload.

use std::{fs, net::TcpListener, path::PathBuf};

use arc_swap::ArcSwap;
use tempfile::TempDir;

use super::*;
use crate::{identity::testing::TestCa, reload::first};

const LIST: &str = "kept.crl";

/// A reloader's state whose thread does not run, so that a test takes each step.
struct Steps {
    folder: TempDir,
    ca: TestCa,
    watch: Watch,
    /// The lists' server, which never answers.
    _server: TcpListener,
}

impl Steps {
    /// With a site in force that was built from a kept list.
    fn start() -> Self {
        let (folder, ca) = (TempDir::new().unwrap(), TestCa::new("Client CA"));
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let leaf = rcgen::generate_simple_self_signed(["m.example".to_owned()]).unwrap();
        let config = format!(
            r#"
[listen]
https = ["127.0.0.1:0"]
[trust]
client_ca = ["ca.der"]
crls = [{{ url = "http://{}/", file = "{LIST}" }}]
[[upstream]]
name = "as"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "m.pem"
private_key = "m.key"
"#,
            server.local_addr().unwrap()
        );
        let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
        write("edge.toml", config.as_bytes());
        write("applications.toml", b"# nobody\n");
        write("ca.der", &ca.der());
        write("m.pem", leaf.cert.pem().as_bytes());
        write("m.key", leaf.signing_key.serialize_pem().as_bytes());
        restrict(folder.path().join("m.key"));
        write(LIST, &ca.crl(&[1], 2035));
        let config = folder.path().join("edge.toml");
        let mut first = first(&config);
        let (settings, site) =
            first.built.site.take().unwrap_or_else(|| panic!("{:?}", first.built.problems));
        let site = Arc::new(ArcSwap::from_pointee(site));
        let watch = Watch::new(&config, first, settings, site, Arc::default(), channel().0);
        Self { folder, ca, watch, _server: server }
    }

    /// Replaces the kept list, whole, as a fetch does.
    fn keep(&self, list: &[u8]) {
        let beside = self.folder.path().join("beside");
        fs::write(&beside, list).unwrap();
        fs::rename(beside, self.folder.path().join(LIST)).unwrap();
    }

    fn generation(&self) -> u64 {
        self.watch.site.load().trust.generation.0
    }

    /// How many lists count.
    fn lists(&self) -> usize {
        self.watch.site.load().trust.authorities.crls().count()
    }
}

fn restrict(key: PathBuf) {
    fs::set_permissions(key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

#[test]
fn a_fetch_after_the_read_does_not_vouch_for_the_list_before_it() {
    let mut steps = Steps::start();
    assert_eq!((steps.generation(), steps.lists()), (1, 1));
    steps.keep(&TestCa::new("Client CA").crl(&[], 2035));
    let read = steps.watch.read().unwrap();
    assert_eq!(read.missing.len(), 1);
    // What was built has no list at all; what stands there now is a good one.
    steps.keep(&steps.ca.crl(&[1, 2], 2035));
    steps.watch.take(read);
    assert_eq!((steps.generation(), steps.lists()), (1, 1), "the list in force was taken away");
    // The next look finds it.
    steps.watch.look();
    assert_eq!((steps.generation(), steps.lists()), (2, 1));
}

#[test]
fn a_list_that_goes_bad_after_the_read_is_found_by_the_next_look() {
    let mut steps = Steps::start();
    steps.keep(&steps.ca.crl(&[1, 2], 2035));
    let read = steps.watch.read().unwrap();
    steps.keep(b"nonsense");
    steps.watch.take(read);
    assert_eq!((steps.generation(), steps.lists()), (2, 1));
    steps.watch.look();
    assert_eq!((steps.generation(), steps.lists()), (2, 1));
    assert!(matches!(steps.watch.next, Next::Doubt(_)));
}
