//! The names of attribute types, for parsing and printing.

/// An attribute type with all its names.
struct Row {
    /// The dotted object identifier.
    oid: &'static str,
    /// The name that OpenSSL 3 prints.
    short: &'static str,
    /// OpenSSL's long name, in most cases that of RFC 4519.
    long: &'static str,
    /// Other names in use.
    aliases: &'static [&'static str],
}

/// Why an attribute type cannot be resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unresolved {
    /// An unknown name, with the most similar known one.
    Unknown(Option<&'static str>),
    /// It consists of digits and dots, but is not an object identifier.
    BadOid,
}

/// The dotted object identifier of an attribute type: a name in any case, or an identifier with or without the prefix `OID.`.
///
/// `SN` is the surname, as in OpenSSL, and `S` the state, as in Windows.
pub(super) fn resolve(written: &str) -> Result<String, Unresolved> {
    look_up(written)?.ok_or_else(|| Unresolved::Unknown(nearest(written)))
}

/// Whether [`resolve`] finds it. Unlike that, fast for long input from a peer, since it makes no suggestion.
pub(super) fn is_known(written: &str) -> bool {
    matches!(look_up(written), Ok(Some(_)))
}

fn look_up(written: &str) -> Result<Option<String>, Unresolved> {
    let dotted = match written.get(..4) {
        Some(prefix) if prefix.eq_ignore_ascii_case("oid.") => written.get(4..).unwrap_or_default(),
        _ => written,
    };
    if dotted.starts_with(|c: char| c.is_ascii_digit()) {
        return if is_oid(dotted) { Ok(Some(dotted.to_owned())) } else { Err(Unresolved::BadOid) };
    }
    let row = TABLE.iter().find(|row| row.names().any(|name| name.eq_ignore_ascii_case(written)));
    Ok(row.map(|row| row.oid.to_owned()))
}

/// The name that OpenSSL prints for an attribute type.
pub(super) fn openssl_name(oid: &str) -> Option<&'static str> {
    TABLE.iter().find(|row| row.oid == oid).map(|row| row.short)
}

/// The name that OpenSSL prints, if [`resolve`] returns the same type for it.
///
/// OpenSSL distinguishes `uid`, the X.500 unique identifier, from `UID`, the user, only by case.
pub(super) fn readable_name(oid: &str) -> Option<&'static str> {
    openssl_name(oid).filter(|name| resolve(name).is_ok_and(|resolved| resolved == oid))
}

impl Row {
    fn names(&self) -> impl Iterator<Item = &'static str> {
        [self.short, self.long].into_iter().chain(self.aliases.iter().copied())
    }
}

/// Whether a text is a canonical object identifier (X.660: the first arc is 0 to 2, the second below 40 under 0 and 1, no
/// leading zeros).
fn is_oid(text: &str) -> bool {
    if !text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return false;
    }
    let arcs: Vec<&str> = text.split('.').collect();
    let well_formed =
        arcs.iter().all(|arc| (*arc == "0" || !arc.starts_with('0')) && arc.parse::<u128>().is_ok());
    let second = arcs.get(1).and_then(|arc| arc.parse::<u128>().ok());
    well_formed
        && match (arcs.first().copied(), second) {
            (Some("0" | "1"), Some(second)) => second < 40,
            (Some("2"), Some(_)) => true,
            _ => false,
        }
}

/// The most similar known name, if one is similar enough.
fn nearest(written: &str) -> Option<&'static str> {
    let written = written.to_ascii_lowercase();
    let score = |name: &str| strsim::jaro_winkler(&written, &name.to_ascii_lowercase());
    let scored = TABLE.iter().flat_map(Row::names).map(|name| (score(name), name));
    scored.filter(|(score, _)| *score > 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

const fn row(
    oid: &'static str,
    short: &'static str,
    long: &'static str,
    aliases: &'static [&'static str],
) -> Row {
    Row { oid, short, long, aliases }
}

/// Attribute types, common ones first: they win if two types share a name.
const TABLE: &[Row] = &[
    row("0.9.2342.19200300.100.1.1", "UID", "userId", &[]),
    row("0.9.2342.19200300.100.1.25", "DC", "domainComponent", &[]),
    row("1.2.840.113549.1.9.1", "emailAddress", "emailAddress", &["E", "email", "pkcs9email"]),
    row("2.5.4.3", "CN", "commonName", &[]),
    row("2.5.4.4", "SN", "surname", &[]),
    row("2.5.4.5", "serialNumber", "serialNumber", &["serial", "deviceSerialNumber"]),
    row("2.5.4.6", "C", "countryName", &[]),
    row("2.5.4.7", "L", "localityName", &[]),
    row("2.5.4.8", "ST", "stateOrProvinceName", &["S", "SP", "state"]),
    row("2.5.4.9", "street", "streetAddress", &[]),
    row("2.5.4.10", "O", "organizationName", &[]),
    row("2.5.4.11", "OU", "organizationalUnitName", &[]),
    row("2.5.4.12", "title", "title", &["T"]),
    row("2.5.4.13", "description", "description", &[]),
    row("0.9.2342.19200300.100.1.2", "textEncodedORAddress", "textEncodedORAddress", &[]),
    row("0.9.2342.19200300.100.1.3", "mail", "rfc822Mailbox", &[]),
    row("0.9.2342.19200300.100.1.4", "info", "info", &[]),
    row("0.9.2342.19200300.100.1.5", "favouriteDrink", "favouriteDrink", &[]),
    row("0.9.2342.19200300.100.1.6", "roomNumber", "roomNumber", &[]),
    row("0.9.2342.19200300.100.1.7", "photo", "photo", &[]),
    row("0.9.2342.19200300.100.1.8", "userClass", "userClass", &[]),
    row("0.9.2342.19200300.100.1.9", "host", "host", &[]),
    row("0.9.2342.19200300.100.1.10", "manager", "manager", &[]),
    row("0.9.2342.19200300.100.1.11", "documentIdentifier", "documentIdentifier", &[]),
    row("0.9.2342.19200300.100.1.12", "documentTitle", "documentTitle", &[]),
    row("0.9.2342.19200300.100.1.13", "documentVersion", "documentVersion", &[]),
    row("0.9.2342.19200300.100.1.14", "documentAuthor", "documentAuthor", &[]),
    row("0.9.2342.19200300.100.1.15", "documentLocation", "documentLocation", &[]),
    row("0.9.2342.19200300.100.1.20", "homeTelephoneNumber", "homeTelephoneNumber", &[]),
    row("0.9.2342.19200300.100.1.21", "secretary", "secretary", &[]),
    row("0.9.2342.19200300.100.1.22", "otherMailbox", "otherMailbox", &[]),
    row("0.9.2342.19200300.100.1.23", "lastModifiedTime", "lastModifiedTime", &[]),
    row("0.9.2342.19200300.100.1.24", "lastModifiedBy", "lastModifiedBy", &[]),
    row("0.9.2342.19200300.100.1.26", "aRecord", "aRecord", &[]),
    row("0.9.2342.19200300.100.1.27", "pilotAttributeType27", "pilotAttributeType27", &[]),
    row("0.9.2342.19200300.100.1.28", "mXRecord", "mXRecord", &[]),
    row("0.9.2342.19200300.100.1.29", "nSRecord", "nSRecord", &[]),
    row("0.9.2342.19200300.100.1.30", "sOARecord", "sOARecord", &[]),
    row("0.9.2342.19200300.100.1.31", "cNAMERecord", "cNAMERecord", &[]),
    row("0.9.2342.19200300.100.1.37", "associatedDomain", "associatedDomain", &[]),
    row("0.9.2342.19200300.100.1.38", "associatedName", "associatedName", &[]),
    row("0.9.2342.19200300.100.1.39", "homePostalAddress", "homePostalAddress", &[]),
    row("0.9.2342.19200300.100.1.40", "personalTitle", "personalTitle", &[]),
    row("0.9.2342.19200300.100.1.41", "mobileTelephoneNumber", "mobileTelephoneNumber", &[]),
    row("0.9.2342.19200300.100.1.42", "pagerTelephoneNumber", "pagerTelephoneNumber", &[]),
    row("0.9.2342.19200300.100.1.43", "friendlyCountryName", "friendlyCountryName", &[]),
    row("0.9.2342.19200300.100.1.44", "uid", "uniqueIdentifier", &[]),
    row("0.9.2342.19200300.100.1.45", "organizationalStatus", "organizationalStatus", &[]),
    row("0.9.2342.19200300.100.1.46", "janetMailbox", "janetMailbox", &[]),
    row("0.9.2342.19200300.100.1.47", "mailPreferenceOption", "mailPreferenceOption", &[]),
    row("0.9.2342.19200300.100.1.48", "buildingName", "buildingName", &[]),
    row("0.9.2342.19200300.100.1.49", "dSAQuality", "dSAQuality", &[]),
    row("0.9.2342.19200300.100.1.50", "singleLevelQuality", "singleLevelQuality", &[]),
    row("0.9.2342.19200300.100.1.51", "subtreeMinimumQuality", "subtreeMinimumQuality", &[]),
    row("0.9.2342.19200300.100.1.52", "subtreeMaximumQuality", "subtreeMaximumQuality", &[]),
    row("0.9.2342.19200300.100.1.53", "personalSignature", "personalSignature", &[]),
    row("0.9.2342.19200300.100.1.54", "dITRedirect", "dITRedirect", &[]),
    row("0.9.2342.19200300.100.1.55", "audio", "audio", &[]),
    row("0.9.2342.19200300.100.1.56", "documentPublisher", "documentPublisher", &[]),
    row("1.2.643.3.131.1.1", "INN", "INN", &[]),
    row("1.2.643.100.1", "OGRN", "OGRN", &[]),
    row("1.2.643.100.3", "SNILS", "SNILS", &[]),
    row("1.2.643.100.5", "OGRNIP", "OGRNIP", &[]),
    row("1.2.840.113549.1.9.2", "unstructuredName", "unstructuredName", &[]),
    row("1.2.840.113549.1.9.8", "unstructuredAddress", "unstructuredAddress", &[]),
    row(
        "1.3.6.1.4.1.311.60.2.1.1",
        "jurisdictionL",
        "jurisdictionLocalityName",
        &["jurisdictionOfIncorporationLocalityName"],
    ),
    row(
        "1.3.6.1.4.1.311.60.2.1.2",
        "jurisdictionST",
        "jurisdictionStateOrProvinceName",
        &["jurisdictionOfIncorporationStateOrProvinceName", "jurisdictionS", "jurisdictionState"],
    ),
    row(
        "1.3.6.1.4.1.311.60.2.1.3",
        "jurisdictionC",
        "jurisdictionCountryName",
        &["jurisdictionOfIncorporationCountryName", "jurisdictionCountry"],
    ),
    row("1.3.6.1.5.5.7.9.1", "id-pda-dateOfBirth", "id-pda-dateOfBirth", &["dateOfBirth"]),
    row("1.3.6.1.5.5.7.9.2", "id-pda-placeOfBirth", "id-pda-placeOfBirth", &["placeOfBirth"]),
    row("1.3.6.1.5.5.7.9.3", "id-pda-gender", "id-pda-gender", &["gender"]),
    row(
        "1.3.6.1.5.5.7.9.4",
        "id-pda-countryOfCitizenship",
        "id-pda-countryOfCitizenship",
        &["countryOfCitizenship"],
    ),
    row(
        "1.3.6.1.5.5.7.9.5",
        "id-pda-countryOfResidence",
        "id-pda-countryOfResidence",
        &["countryOfResidence"],
    ),
    row("2.5.4.14", "searchGuide", "searchGuide", &[]),
    row("2.5.4.15", "businessCategory", "businessCategory", &[]),
    row("2.5.4.16", "postalAddress", "postalAddress", &[]),
    row("2.5.4.17", "postalCode", "postalCode", &["PC"]),
    row("2.5.4.18", "postOfficeBox", "postOfficeBox", &[]),
    row("2.5.4.19", "physicalDeliveryOfficeName", "physicalDeliveryOfficeName", &[]),
    row("2.5.4.20", "telephoneNumber", "telephoneNumber", &[]),
    row("2.5.4.21", "telexNumber", "telexNumber", &[]),
    row("2.5.4.22", "teletexTerminalIdentifier", "teletexTerminalIdentifier", &[]),
    row("2.5.4.23", "facsimileTelephoneNumber", "facsimileTelephoneNumber", &[]),
    row("2.5.4.24", "x121Address", "x121Address", &[]),
    row("2.5.4.25", "internationaliSDNNumber", "internationaliSDNNumber", &[]),
    row("2.5.4.26", "registeredAddress", "registeredAddress", &[]),
    row("2.5.4.27", "destinationIndicator", "destinationIndicator", &[]),
    row("2.5.4.28", "preferredDeliveryMethod", "preferredDeliveryMethod", &[]),
    row("2.5.4.29", "presentationAddress", "presentationAddress", &[]),
    row("2.5.4.30", "supportedApplicationContext", "supportedApplicationContext", &[]),
    row("2.5.4.31", "member", "member", &[]),
    row("2.5.4.32", "owner", "owner", &[]),
    row("2.5.4.33", "roleOccupant", "roleOccupant", &[]),
    row("2.5.4.34", "seeAlso", "seeAlso", &[]),
    row("2.5.4.35", "userPassword", "userPassword", &[]),
    row("2.5.4.36", "userCertificate", "userCertificate", &[]),
    row("2.5.4.37", "cACertificate", "cACertificate", &[]),
    row("2.5.4.38", "authorityRevocationList", "authorityRevocationList", &[]),
    row("2.5.4.39", "certificateRevocationList", "certificateRevocationList", &[]),
    row("2.5.4.40", "crossCertificatePair", "crossCertificatePair", &[]),
    row("2.5.4.41", "name", "name", &[]),
    row("2.5.4.42", "GN", "givenName", &["G"]),
    row("2.5.4.43", "initials", "initials", &["I"]),
    row("2.5.4.44", "generationQualifier", "generationQualifier", &["generation"]),
    row("2.5.4.45", "x500UniqueIdentifier", "x500UniqueIdentifier", &[]),
    row("2.5.4.46", "dnQualifier", "dnQualifier", &["DNQ"]),
    row("2.5.4.47", "enhancedSearchGuide", "enhancedSearchGuide", &[]),
    row("2.5.4.48", "protocolInformation", "protocolInformation", &[]),
    row("2.5.4.49", "distinguishedName", "distinguishedName", &[]),
    row("2.5.4.50", "uniqueMember", "uniqueMember", &[]),
    row("2.5.4.51", "houseIdentifier", "houseIdentifier", &[]),
    row("2.5.4.52", "supportedAlgorithms", "supportedAlgorithms", &[]),
    row("2.5.4.53", "deltaRevocationList", "deltaRevocationList", &[]),
    row("2.5.4.54", "dmdName", "dmdName", &[]),
    row("2.5.4.65", "pseudonym", "pseudonym", &[]),
    row("2.5.4.72", "role", "role", &[]),
    row("2.5.4.97", "organizationIdentifier", "organizationIdentifier", &["orgId"]),
    row("2.5.4.98", "c3", "countryCode3c", &[]),
    row("2.5.4.99", "n3", "countryCode3n", &[]),
    row("2.5.4.100", "dnsName", "dnsName", &[]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_openssl_and_of_the_rfcs_resolve_in_any_case() {
        for (name, oid) in [
            ("cn", "2.5.4.3"),
            ("SN", "2.5.4.4"),
            ("serialNumber", "2.5.4.5"),
            ("S", "2.5.4.8"),
            ("ST", "2.5.4.8"),
            ("street", "2.5.4.9"),
            ("streetAddress", "2.5.4.9"),
            ("GN", "2.5.4.42"),
            ("E", "1.2.840.113549.1.9.1"),
            ("EMAILADDRESS", "1.2.840.113549.1.9.1"),
            ("uid", "0.9.2342.19200300.100.1.1"),
            ("userId", "0.9.2342.19200300.100.1.1"),
            ("jurisdictionCountryName", "1.3.6.1.4.1.311.60.2.1.3"),
            ("jurisdictionC", "1.3.6.1.4.1.311.60.2.1.3"),
            ("organizationIdentifier", "2.5.4.97"),
            ("OID.2.5.4.97", "2.5.4.97"),
            ("1.2.3.4", "1.2.3.4"),
        ] {
            assert_eq!(resolve(name).as_deref(), Ok(oid), "{name}");
        }
    }

    #[test]
    fn names_are_unique_except_uid() {
        for row in TABLE {
            for name in row.names() {
                let resolved = resolve(name).unwrap();
                assert!(resolved == row.oid || name == "uid", "{name} is {resolved} and {}", row.oid);
            }
        }
        assert_eq!(readable_name("0.9.2342.19200300.100.1.44"), None);
    }

    #[test]
    fn mistakes_are_reported_with_the_nearest_name() {
        assert_eq!(resolve("organisationName"), Err(Unresolved::Unknown(Some("organizationName"))));
        assert_eq!(resolve("busnessCategory"), Err(Unresolved::Unknown(Some("businessCategory"))));
        assert_eq!(resolve("zzzzqq"), Err(Unresolved::Unknown(None)));
        for oid in ["2.5..4", "2", "3.1", "1.40", "2.05", "2.5.4x", "2.5."] {
            assert_eq!(resolve(oid), Err(Unresolved::BadOid), "{oid}");
        }
    }
}
