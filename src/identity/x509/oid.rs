//! Names of extensions, for messages.

use crate::identity::der;

/// An extension's name, if known, and its object identifier.
pub(crate) fn extension_name(oid: &[u8]) -> String {
    let name = match oid {
        [0x55, 0x1d, last] => match last {
            9 => "subjectDirectoryAttributes",
            14 => "subjectKeyIdentifier",
            15 => "keyUsage",
            16 => "privateKeyUsagePeriod",
            17 => "subjectAltName",
            18 => "issuerAltName",
            19 => "basicConstraints",
            30 => "nameConstraints",
            31 => "cRLDistributionPoints",
            32 => "certificatePolicies",
            33 => "policyMappings",
            35 => "authorityKeyIdentifier",
            36 => "policyConstraints",
            37 => "extKeyUsage",
            46 => "freshestCRL",
            54 => "inhibitAnyPolicy",
            56 => "noRevAvail",
            _ => "",
        },
        [0x2b, 6, 1, 5, 5, 7, 1, last] => match last {
            1 => "authorityInfoAccess",
            3 => "qcStatements",
            7 => "ipAddrBlocks",
            8 => "autonomousSysIds",
            11 => "subjectInfoAccess",
            14 => "proxyCertInfo",
            24 => "tlsFeature",
            _ => "",
        },
        [0x2b, 6, 1, 5, 5, 7, 48, 1, 5] => "ocspNoCheck",
        [0x2b, 6, 1, 4, 1, 0xd6, 0x79, 2, 4, 3] => "CT precertificate poison",
        [0x60, 0x86, 0x48, 1, 0x86, 0xf8, 0x42, 1, 1] => "netscapeCertType",
        _ => "",
    };
    let dotted = der::dotted(oid);
    if name.is_empty() { dotted } else { format!("{name} ({dotted})") }
}
