//! `private_key`: the path of a PEM file, or the PKCS#11 URI (RFC 7512) of a key in a token.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use percent_encoding::percent_decode_str;

use crate::{
    config::{
        diagnostic::Fault,
        node::Value,
        pkcs11_uri::{PATH, QUERY, SCHEME, is_pin, is_uri},
        settings::{PrivateKey, TokenKey},
        span::Spanned,
        suggest::{all_of, did_you_mean, quote},
    },
    pkcs11::KeyUri,
};

const EXAMPLE: &str = "\"pkcs11:token=edge;object=server?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:secrets/pin\"";

/// Reads a private key: a file, or a token's.
pub(super) fn private_key(value: &Value<'_>) -> Option<PrivateKey> {
    let is_uri = value.toml.as_str().is_some_and(is_uri);
    if !is_uri {
        return value.path().map(PrivateKey::File);
    }
    let key = value.parse("a PKCS#11 URI", |text| parse(text, &value.reader.folder))?;
    let Spanned { value: (uri, pin_file), span } = key;
    Some(PrivateKey::Token(TokenKey { uri, pin_file: Spanned { value: pin_file, span } }))
}

/// Parses a URI to the key and the file with the PIN. A fault never shows a value: it may be the PIN.
fn parse(text: &str, folder: &Path) -> Result<(KeyUri, PathBuf), Fault> {
    let rest = text.get(SCHEME.len()..).unwrap_or_default();
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut attributes = Attributes::default();
    if query.split('&').any(|attribute| attribute.starts_with("pin-value")) {
        let what = "found pin-value in a PKCS#11 URI: secrets are not written in the configuration";
        return Err(Fault::new(what)
            .help("write the PIN into a file, and pin-source=file:secrets/pin in place of pin-value"));
    }
    path.split(';').filter(|one| !one.is_empty()).try_for_each(|one| attributes.add(one, &PATH, &QUERY))?;
    query.split('&').filter(|one| !one.is_empty()).try_for_each(|one| attributes.add(one, &QUERY, &PATH))?;
    if let Some(kind) = attributes.text("type")?
        && kind != "private"
    {
        return Err(Fault::new("found a type other than private in a PKCS#11 URI")
            .help("write type=private, or remove type: the edge looks for private keys only"));
    }
    let module = attributes.text("module-path")?.map(PathBuf::from);
    let Some(module) = module.filter(|module| module.is_absolute()) else {
        let what = "found a PKCS#11 URI without an absolute module-path: which library has the token?";
        return Err(Fault::new(what).help(format!("write private_key = {EXAMPLE}")));
    };
    let pin_file = pin_file(attributes.text("pin-source")?.as_deref(), folder)?;
    let slot = attributes.text("slot-id")?.map(|slot| {
        let fault =
            || Fault::new("found a slot-id that is not a number").help("write slot-id=0, for example");
        slot.parse().map_err(|_| fault())
    });
    let uri = KeyUri {
        module,
        token: attributes.text("token")?,
        serial: attributes.text("serial")?,
        manufacturer: attributes.text("manufacturer")?,
        model: attributes.text("model")?,
        slot: slot.transpose()?,
        object: attributes.text("object")?,
        id: attributes.values.remove("id"),
    };
    Ok((uri, pin_file))
}

/// The file that a `pin-source` names. A path is relative to the folder of the configuration.
fn pin_file(source: Option<&str>, folder: &Path) -> Result<PathBuf, Fault> {
    let help = "write the PIN into a file, and pin-source=file:secrets/pin";
    let Some(source) = source else {
        return Err(Fault::new("found a PKCS#11 URI without pin-source: the token asks for a PIN").help(help));
    };
    // A PIN in its place must not be shown as the name of a file.
    let path = source.strip_prefix("file:").filter(|path| !path.is_empty() && !is_pin(source));
    // `file://` has an empty host, and then the path.
    let path = path.and_then(|path| match path.strip_prefix("//") {
        Some(rest) => rest.starts_with('/').then_some(rest),
        None => Some(path),
    });
    match path {
        Some(path) if !path.contains('\0') => Ok(folder.join(path)),
        _ => Err(Fault::new("found a pin-source that is not a file, expected file: and a path").help(help)),
    }
}

#[derive(Default)]
struct Attributes {
    values: BTreeMap<&'static str, Vec<u8>>,
}

impl Attributes {
    /// Adds an attribute that is one of these.
    fn add(&mut self, attribute: &str, known: &[&'static str], others: &[&str]) -> Result<(), Fault> {
        let Some((name, value)) = attribute.split_once('=') else {
            // It is not quoted: it may be the end of a PIN.
            let what = "found an attribute without a value in a PKCS#11 URI, expected name=value";
            return Err(Fault::new(what).help("percent-encode ; as %3b, & as %26 and ? as %3f in values"));
        };
        if others.contains(&name) {
            let (place, separator) = if QUERY.contains(&name) { ("after", "&") } else { ("before", ";") };
            let what = format!("found {name} in the wrong part of a PKCS#11 URI");
            return Err(Fault::new(what)
                .help(format!("write it {place} the question mark, and {separator} between attributes")));
        }
        let Some(known) = known.iter().find(|known| **known == name) else {
            let what = format!("unknown attribute {} of a PKCS#11 URI", quote(name));
            let all = || format!("the attributes are {}", all_of(PATH.iter().chain(&QUERY)));
            return Err(
                Fault::new(what).help(did_you_mean(name, PATH.into_iter().chain(QUERY)).unwrap_or_else(all))
            );
        };
        let value: Vec<u8> = percent_decode_str(value).collect();
        if value.is_empty() {
            return Err(Fault::new(format!("found {known} without a value in a PKCS#11 URI"))
                .help(format!("write its value after {known}=, or remove it")));
        }
        if self.values.insert(known, value).is_some() {
            return Err(
                Fault::new(format!("found {known} twice in a PKCS#11 URI")).help("remove one of them")
            );
        }
        Ok(())
    }

    /// The value of an attribute that is text.
    fn text(&mut self, name: &'static str) -> Result<Option<String>, Fault> {
        let text = self.values.remove(name).map(String::from_utf8).transpose();
        text.map_err(|_| {
            Fault::new(format!("found {name} in a PKCS#11 URI that is not UTF-8"))
                .help("write its text in UTF-8")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = "?module-path=/m.so&pin-source=file:pin";

    fn fault(text: &str) -> String {
        let fault = parse(text, Path::new("/etc/edge")).unwrap_err();
        format!("{}; {}", fault.what, fault.help.unwrap())
    }

    #[test]
    fn a_uri_selects_a_key_of_a_token() {
        let text = "pkcs11:token=The%20edge;serial=1;manufacturer=M;model=N;slot-id=3;object=a%3bb;id=%00%01x;type=private?module-path=/usr/lib/m.so&pin-source=file:secrets/pin";
        let (uri, pin) = parse(text, Path::new("/etc/edge")).unwrap();
        let text = |text: &str| Some(text.to_owned());
        let expected = KeyUri {
            module: "/usr/lib/m.so".into(),
            token: text("The edge"),
            serial: text("1"),
            manufacturer: text("M"),
            model: text("N"),
            slot: Some(3),
            object: text("a;b"),
            id: Some(b"\0\x01x".to_vec()),
        };
        assert_eq!((&uri, pin.as_path()), (&expected, Path::new("/etc/edge/secrets/pin")));
        assert_eq!(
            uri.to_string(),
            "pkcs11:token=The%20edge;serial=1;manufacturer=M;model=N;slot-id=3;object=a%3bb;id=%00%01%78"
        );
        for (source, expected) in [("file:/p", "/p"), ("file:///p", "/p"), ("file:p%26q", "/etc/edge/p&q")] {
            let uri = format!("pkcs11:?pin-source={source}&module-path=/m.so");
            assert_eq!(parse(&uri, Path::new("/etc/edge")).unwrap().1, Path::new(expected));
        }
    }

    #[test]
    fn what_a_uri_must_not_have_is_refused() {
        for (path, query, expected) in [
            ("tokn=a", REST, "unknown attribute \"tokn\" of a PKCS#11 URI; did you mean \"token\"?"),
            (
                "x=a",
                REST,
                "the attributes are token, serial, manufacturer, model, slot-id, object, id, type, module-path and pin-source",
            ),
            ("token=a;token=b", REST, "found token twice"),
            ("token=", REST, "found token without a value"),
            ("token", REST, "found an attribute without a value"),
            ("type=cert", REST, "found a type other than private"),
            ("slot-id=x", REST, "found a slot-id that is not a number"),
            ("token=%ff", REST, "found token in a PKCS#11 URI that is not UTF-8"),
            ("module-path=/m.so", "", "found module-path in the wrong part of a PKCS#11 URI; write it after"),
            ("", "?token=a", "found token in the wrong part of a PKCS#11 URI; write it before"),
            ("", "?pin-source=file:p", "without an absolute module-path"),
            ("", "?module-path=m.so&pin-source=file:p", "without an absolute module-path"),
            ("", "?module-path=/m.so", "without pin-source"),
            ("", "?module-path=/m.so&pin-source=/p", "found a pin-source that is not a file"),
            ("", "?module-path=/m.so&pin-source=file://host/p", "found a pin-source that is not a file"),
            ("", "?module-path=/m.so&pin-source=|cat", "found a pin-source that is not a file"),
            ("", "?module-path=/m.so&pin-value=1234", "found pin-value in a PKCS#11 URI: secrets are not"),
        ] {
            let found = fault(&format!("pkcs11:{path}{query}"));
            assert!(found.contains(expected), "{found}");
            assert!(!found.contains("1234"), "{found}");
        }
    }
}
