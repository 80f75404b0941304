//! The kinds of objects in files, by label, and how to convert each to what is wanted.

use std::fmt;

/// The kind of object that a file is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Certificate,
    Crl,
    Key,
    PublicKey,
}

impl Wanted {
    /// The kind of section that is used.
    pub(super) fn kind(self) -> &'static Kind {
        match self {
            Self::Certificate => &Kind::Certificate,
            Self::Crl => &Kind::Crl,
            Self::Key => &Kind::Key(KeyForm::Pkcs8),
            Self::PublicKey => &Kind::PublicKey,
        }
    }

    /// The noun for messages, and the boundary line.
    pub(super) fn described(self) -> (&'static str, &'static str) {
        match self {
            Self::Certificate => ("certificate", "-----BEGIN CERTIFICATE-----"),
            Self::Crl => ("CRL", "-----BEGIN X509 CRL-----"),
            Self::Key => ("private key in PEM", "-----BEGIN PRIVATE KEY-----"),
            Self::PublicKey => ("public key", "-----BEGIN PUBLIC KEY-----"),
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (noun, boundary) = self.described();
        write!(f, "a {noun} (\"{boundary}\")")
    }
}

/// The encodings of an unencrypted private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyForm {
    /// PKCS#8 (RFC 5958).
    Pkcs8,
    /// PKCS#1 (RFC 8017 appendix A.1.2).
    Pkcs1,
    /// SEC 1 (RFC 5915).
    Sec1,
}

/// The kind of a section or file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Certificate,
    /// A certificate with an old label, which OpenSSL still reads but most other programs do not.
    OldCertificate,
    /// A certificate followed by OpenSSL's trust settings.
    TrustedCertificate,
    AttributeCertificate,
    Crl,
    Request,
    Pkcs7,
    Pkcs12,
    Key(KeyForm),
    DsaKey,
    /// PKCS#8, encrypted with a password (RFC 5958 section 3).
    EncryptedKey,
    /// A key in a section with the header `Proc-Type: 4,ENCRYPTED` (RFC 1421).
    TraditionalEncryptedKey,
    OpensshKey,
    /// A SubjectPublicKeyInfo (RFC 7468 section 13).
    PublicKey,
    /// An RSAPublicKey (RFC 8017 appendix A.1.1).
    RsaPublicKey,
    EcParameters,
    /// Diffie-Hellman or DSA parameters.
    Parameters,
    /// Another label.
    Other(String),
}

impl Kind {
    /// The kind of a label in a BEGIN line.
    pub(super) fn of_label(label: &str) -> Self {
        match label {
            "CERTIFICATE" => Self::Certificate,
            "X509 CERTIFICATE" | "X.509 CERTIFICATE" => Self::OldCertificate,
            "TRUSTED CERTIFICATE" => Self::TrustedCertificate,
            "ATTRIBUTE CERTIFICATE" => Self::AttributeCertificate,
            "X509 CRL" => Self::Crl,
            "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => Self::Request,
            "PKCS7" | "PKCS #7 SIGNED DATA" | "CMS" => Self::Pkcs7,
            "PKCS12" => Self::Pkcs12,
            "PRIVATE KEY" => Self::Key(KeyForm::Pkcs8),
            "RSA PRIVATE KEY" => Self::Key(KeyForm::Pkcs1),
            "EC PRIVATE KEY" => Self::Key(KeyForm::Sec1),
            "DSA PRIVATE KEY" => Self::DsaKey,
            "ENCRYPTED PRIVATE KEY" => Self::EncryptedKey,
            "OPENSSH PRIVATE KEY" => Self::OpensshKey,
            "PUBLIC KEY" | "EC PUBLIC KEY" | "DSA PUBLIC KEY" => Self::PublicKey,
            "RSA PUBLIC KEY" => Self::RsaPublicKey,
            "EC PARAMETERS" => Self::EcParameters,
            "DH PARAMETERS" | "X9.42 DH PARAMETERS" | "DSA PARAMETERS" => Self::Parameters,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Whether it is expected in a file with a private key.
    pub(super) fn is_of_key_file(&self) -> bool {
        matches!(self, Self::Key(_) | Self::EncryptedKey | Self::TraditionalEncryptedKey | Self::EcParameters)
    }

    /// The command or step that converts it to what is wanted; `{file}` and `{new}` are placeholders for file names.
    pub(super) fn help(&self, wanted: Wanted, is_der: bool) -> &'static str {
        match (wanted, self) {
            (Wanted::Certificate, Self::OldCertificate | Self::TrustedCertificate) => {
                "run for each certificate: openssl x509 -in {file} -out {new}"
            }
            (Wanted::Certificate, Self::Pkcs7) if is_der => {
                "run: openssl pkcs7 -inform DER -in {file} -print_certs -out {new}"
            }
            (Wanted::Certificate, Self::Pkcs7) => "run: openssl pkcs7 -in {file} -print_certs -out {new}",
            (Wanted::Certificate, Self::Pkcs12) => {
                "run: openssl pkcs12 -in {file} -nokeys -out {file}.pem, and name that file"
            }
            (Wanted::Certificate, Self::Crl) => {
                "move CRLs to a separate file under [trust] crls: openssl crl -in {file} -out {new}"
            }
            (Wanted::Certificate, Self::Request) => {
                "use the certificate that the CA issued for this request, whose subject is printed by: openssl req -in {file} -noout -subject"
            }
            (Wanted::Certificate, Self::PublicKey | Self::RsaPublicKey) => {
                "use the certificate, not only its public key"
            }
            (Wanted::Certificate, Self::AttributeCertificate) => {
                "an attribute certificate cannot be used for TLS: remove it, and use the certificate itself"
            }
            (
                Wanted::Certificate,
                Self::Key(_)
                | Self::EncryptedKey
                | Self::TraditionalEncryptedKey
                | Self::OpensshKey
                | Self::DsaKey,
            ) if is_der => "use the file with the certificate, not its key",
            (
                Wanted::Certificate,
                Self::Key(_)
                | Self::EncryptedKey
                | Self::TraditionalEncryptedKey
                | Self::OpensshKey
                | Self::DsaKey,
            ) => {
                "use the file with the certificate, not its key; if it contains both, run: openssl crl2pkcs7 -nocrl -certfile {file} | openssl pkcs7 -print_certs -out {new}"
            }
            (Wanted::Certificate, _) => {
                "keep only certificates in the file: openssl crl2pkcs7 -nocrl -certfile {file} | openssl pkcs7 -print_certs -out {new}"
            }
            (Wanted::Crl, Self::Certificate) => {
                "CA certificates belong under [trust] client_ca; to extract the CRL, run: openssl crl -in {file} -out {new}"
            }
            (Wanted::Crl, Self::Pkcs7) if is_der => {
                "run: openssl pkcs7 -inform DER -in {file} -print_certs | openssl crl -out {new}"
            }
            (Wanted::Crl, Self::Pkcs7) => {
                "run: openssl pkcs7 -in {file} -print_certs | openssl crl -out {new}"
            }
            (Wanted::Crl, _) => "keep only CRLs in the file: openssl crl -in {file} -out {new}",
            (Wanted::Key, Self::EncryptedKey) if is_der => {
                "run: openssl pkcs8 -inform DER -in {file} -out {new}, which removes the password"
            }
            (Wanted::Key, Self::EncryptedKey) => "remove the password: openssl pkey -in {file} -out {new}",
            (Wanted::Key, Self::TraditionalEncryptedKey) => {
                "convert it, with the password: openssl pkcs8 -topk8 -in {file} -out {new}; or remove the password: openssl pkey -in {file} -out {new}"
            }
            (Wanted::Key, Self::Key(_)) if is_der => "run: openssl pkey -inform DER -in {file} -out {new}",
            (Wanted::Key, Self::Pkcs12) => {
                "run: openssl pkcs12 -in {file} -nocerts -noenc -out {file}.key, and name that file"
            }
            (Wanted::Key, Self::OpensshKey) => "run on a copy: ssh-keygen -p -N '' -m PKCS8 -f {file}",
            (Wanted::Key, Self::DsaKey) => {
                "TLS no longer supports DSA: generate an ECDSA key, and request a certificate for it"
            }
            (Wanted::Key, Self::Certificate | Self::TrustedCertificate | Self::OldCertificate) => {
                "use the certificate's private key; if this file contains both, run: openssl pkey -in {file} -out {new}"
            }
            (Wanted::Key, Self::PublicKey | Self::RsaPublicKey | Self::Request) => {
                "use the private key that belongs to it"
            }
            (Wanted::Key, _) => "keep only the key in the file: openssl pkey -in {file} -out {new}",
            (Wanted::PublicKey, Self::RsaPublicKey) if is_der => {
                "run: openssl rsa -RSAPublicKey_in -inform DER -in {file} -pubout -out {new}"
            }
            (Wanted::PublicKey, Self::RsaPublicKey) => {
                "run: openssl rsa -RSAPublicKey_in -in {file} -pubout -out {new}"
            }
            (Wanted::PublicKey, Self::Key(_) | Self::EncryptedKey) if is_der => {
                "the private key belongs to the application alone; its public part is printed by: openssl pkey -inform DER -in {file} -pubout"
            }
            (Wanted::PublicKey, Self::Key(_) | Self::EncryptedKey | Self::TraditionalEncryptedKey) => {
                "the private key belongs to the application alone; its public part is printed by: openssl pkey -in {file} -pubout"
            }
            (Wanted::PublicKey, Self::OpensshKey) => {
                "the private key belongs to the application alone; its public part is printed by: ssh-keygen -e -m PKCS8 -f {file}"
            }
            (Wanted::PublicKey, Self::Request) => "run: openssl req -in {file} -noout -pubkey -out {new}",
            (Wanted::PublicKey, Self::Pkcs12) => "run: openssl pkcs12 -in {file} -clcerts -nokeys -out {new}",
            (Wanted::PublicKey, Self::OldCertificate | Self::TrustedCertificate) => {
                "run: openssl x509 -in {file} -out {new}"
            }
            (Wanted::PublicKey, _) => {
                "use the application's public key (openssl pkey -in KEY -pubout), its certificate, its JWK or its JWK set"
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "a certificate",
            Self::OldCertificate => "a certificate with the old label X509 CERTIFICATE",
            Self::TrustedCertificate => "a TRUSTED CERTIFICATE (with OpenSSL's trust settings)",
            Self::AttributeCertificate => "an attribute certificate",
            Self::Crl => "a CRL",
            Self::Request => "a certificate signing request (CSR)",
            Self::Pkcs7 => "a PKCS#7 or CMS container",
            Self::Pkcs12 => "a PKCS#12 container (.p12, .pfx)",
            Self::Key(_) => "a private key",
            Self::DsaKey => "a DSA private key",
            Self::EncryptedKey => "a private key that is encrypted with a password",
            Self::TraditionalEncryptedKey => {
                "a private key that is encrypted with a password in the traditional form (Proc-Type: 4,ENCRYPTED)"
            }
            Self::OpensshKey => "a private key in OpenSSH's own format",
            Self::PublicKey => "a public key",
            Self::RsaPublicKey => "an RSA public key in PKCS#1 (RSA PUBLIC KEY)",
            Self::EcParameters => "parameters of an elliptic curve (EC PARAMETERS)",
            Self::Parameters => "Diffie-Hellman or DSA parameters",
            Self::Other(label) => return write!(f, "a section labelled {label:?}"),
        })
    }
}
