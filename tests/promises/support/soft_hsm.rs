//! SoftHSM2: tokens in a folder, behind the interface of hardware security modules (PKCS#11).

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Credentials, DOMAIN, EdgeBuilder, tool::not_tried};

/// Where Debian, and others, install the module.
const MODULES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
];

/// The PIN of each token's user.
pub const PIN: &str = "1234";

/// The tokens in a folder. Their PIN is in the folder's file `pin`.
pub struct SoftHsm {
    folder: PathBuf,
    /// The module.
    pub module: PathBuf,
}

impl SoftHsm {
    /// Its folder is in this one, and has the token `edge`. None, with a line that says so, if SoftHSM2 is not
    /// installed.
    pub fn in_folder(folder: &Path) -> Option<Self> {
        let module = MODULES.iter().map(PathBuf::from).find(|module| module.exists());
        let has_program = Command::new("softhsm2-util").arg("--version").output().is_ok();
        let Some(module) = module.filter(|_| has_program) else {
            not_tried("keys in PKCS#11 tokens: softhsm2 is not installed");
            return None;
        };
        let hsm = Self { folder: folder.to_owned(), module };
        fs::create_dir(hsm.tokens()).unwrap();
        let config = format!("directories.tokendir = {}\nlog.level = ERROR\n", hsm.tokens().display());
        fs::write(hsm.config(), config).unwrap();
        fs::write(hsm.pin_file(), PIN).unwrap();
        fs::set_permissions(hsm.pin_file(), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        hsm.token("edge");
        Some(hsm)
    }

    /// The folder with the tokens.
    pub fn tokens(&self) -> PathBuf {
        self.folder.join("tokens")
    }

    /// The file with the PIN.
    pub fn pin_file(&self) -> PathBuf {
        self.folder.join("pin")
    }

    /// The configuration of SoftHSM2, for its variable `SOFTHSM2_CONF`.
    fn config(&self) -> PathBuf {
        self.folder.join("softhsm2.conf")
    }

    /// Adds a token.
    pub fn token(&self, label: &str) {
        self.util(&["--init-token", "--free", "--label", label, "--so-pin", "123456", "--pin", PIN]);
    }

    /// Imports a private key into a token, under this label and this identifier in hex.
    pub fn import(&self, token: &str, object: &str, id: &str, key: &Credentials) {
        let file = self.folder.join("import.pem");
        fs::write(&file, key.key_pem()).unwrap();
        let file = file.to_str().unwrap();
        self.util(&["--import", file, "--token", token, "--label", object, "--id", id, "--pin", PIN]);
        fs::remove_file(file).unwrap();
    }

    fn util(&self, arguments: &[&str]) {
        let output =
            Command::new("softhsm2-util").args(arguments).env("SOFTHSM2_CONF", self.config()).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// A URI with these attributes, this module, and the PIN's file.
    pub fn uri(&self, attributes: &str) -> String {
        format!("pkcs11:{attributes}?module-path={}&pin-source=file:pin", self.module.display())
    }

    /// An edge that finds the tokens.
    pub fn edge(&self, builder: EdgeBuilder) -> EdgeBuilder {
        builder.environment("SOFTHSM2_CONF", self.config().to_str().unwrap())
    }

    /// The usual domain with the certificate of this file, and this private key. The client needs no certificate.
    pub fn domain(&self, builder: EdgeBuilder, certificate: &str, private_key: &str) -> EdgeBuilder {
        self.edge(builder).extra(&domain(DOMAIN, certificate, private_key))
    }
}

/// The table of a domain whose client needs no certificate.
pub fn domain(name: &str, certificate: &str, private_key: &str) -> String {
    format!(
        "[[domain]]\nname = \"{name}\"\ncertificate = \"{certificate}\"\nprivate_key = \"{private_key}\"\nclient_auth = \"off\"\n[[domain.route]]\npath = \"/oauth/token\"\nauthenticate = \"none\"\n"
    )
}
