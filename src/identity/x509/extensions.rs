//! Certificate extensions (RFC 5280 section 4.2).

use super::{
    general_name::{GeneralName, NameKind},
    oid::extension_name,
};
use crate::identity::{
    der::{self, Der, constructed, context},
    name::DistinguishedName,
};

/// Why a certificate violates DER or RFC 5280. `Display` follows the certificate's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    /// A field is malformed.
    #[error("its {0} is malformed")]
    Field(&'static str),
    /// signatureAlgorithm and the signature field differ.
    #[error("it names two different signature algorithms")]
    TwoAlgorithms,
    /// An extension is malformed.
    #[error("its extension {0} is malformed")]
    Extension(String),
    /// An extension occurs twice (section 4.2).
    #[error("its extension {0} occurs twice")]
    Twice(String),
}

/// keyUsage (section 4.2.1.3).
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyUsage(u16);

impl KeyUsage {
    pub(crate) const DIGITAL_SIGNATURE: u16 = 0x8000;
    pub(crate) const KEY_AGREEMENT: u16 = 0x0800;
    pub(crate) const KEY_CERT_SIGN: u16 = 0x0400;
    pub(crate) const CRL_SIGN: u16 = 0x0200;

    pub(crate) const fn allows(self, usage: u16) -> bool {
        self.0 & usage != 0
    }
}

/// basicConstraints (section 4.2.1.9).
#[derive(Clone, Copy, Debug)]
pub(crate) struct BasicConstraints {
    pub(crate) ca: bool,
    pub(crate) path_length: Option<u32>,
}

/// One subtree of nameConstraints (section 4.2.1.10).
#[derive(Clone, Debug)]
pub(crate) struct Subtree {
    pub(crate) kind: NameKind,
    pub(crate) base: Box<[u8]>,
    /// The parsed base of a directoryName.
    pub(crate) directory: Option<DistinguishedName>,
}

/// nameConstraints (section 4.2.1.10).
#[derive(Clone, Debug, Default)]
pub(crate) struct NameConstraints {
    pub(crate) permitted: Vec<Subtree>,
    pub(crate) excluded: Vec<Subtree>,
}

type Oid = Box<[u8]>;

/// The policy extensions (sections 4.2.1.4, 4.2.1.5, 4.2.1.11, 4.2.1.14).
#[derive(Clone, Debug, Default)]
pub(crate) struct Policies {
    /// certificatePolicies.
    pub(crate) named: Option<Vec<Oid>>,
    /// policyMappings, from the issuer's policy to the subject's.
    pub(crate) mappings: Vec<(Oid, Oid)>,
    pub(crate) require_explicit: Option<u32>,
    pub(crate) inhibit_mapping: Option<u32>,
    pub(crate) inhibit_any: Option<u32>,
}

/// The extensions that path validation needs.
#[derive(Clone, Debug)]
pub(crate) struct Extensions {
    pub(crate) basic_constraints: Option<BasicConstraints>,
    pub(crate) key_usage: Option<KeyUsage>,
    /// extKeyUsage (section 4.2.1.12).
    pub(crate) purposes: Option<Vec<Oid>>,
    pub(crate) name_constraints: Option<Result<NameConstraints, Malformed>>,
    pub(crate) policies: Result<Policies, Malformed>,
    /// The content of the subjectAltName SEQUENCE.
    pub(crate) alternative_names: Option<Box<[u8]>>,
    /// The content of the cRLDistributionPoints SEQUENCE.
    pub(crate) distribution_points: Option<Box<[u8]>>,
    /// noRevAvail (RFC 9608).
    pub(crate) no_revocation: bool,
    /// The first unsupported critical extension, for messages.
    pub(crate) unknown_critical: Option<String>,
}

const ID_CE: [u8; 2] = [0x55, 0x1d];
/// 1.3.6.1.4.1.11129.2.4.2 (RFC 6962 section 3.3), which does not affect path validation.
const SIGNED_CERTIFICATE_TIMESTAMPS: [u8; 10] = [0x2b, 6, 1, 4, 1, 0xd6, 0x79, 2, 4, 2];

struct Extension<'a> {
    oid: &'a [u8],
    critical: bool,
    value: &'a [u8],
}

fn extension<'a>(der: &mut Der<'a>) -> Option<Extension<'a>> {
    let mut der = Der::new(der.take(der::SEQUENCE)?);
    let oid = der.take(der::OID)?;
    let critical = der.optional_boolean()?;
    let value = der.take(der::OCTET_STRING)?;
    der.end()?;
    Some(Extension { oid, critical, value })
}

/// The last arc of an extension under id-ce, 2.5.29.
fn standard(oid: &[u8]) -> Option<u8> {
    match oid.strip_prefix(&ID_CE) {
        Some([last]) => Some(*last),
        _ => None,
    }
}

pub(super) fn key_identifiers(content: &[u8]) -> (Option<&[u8]>, Option<&[u8]>) {
    let (mut subject, mut authority) = (None, None);
    let mut der = Der::new(content);
    while !der.is_empty() && (subject.is_none() || authority.is_none()) {
        let Some(extension) = extension(&mut der) else { break };
        match standard(extension.oid) {
            Some(14) => subject = der::only(extension.value, der::OCTET_STRING),
            Some(35) => {
                let fields = der::only(extension.value, der::SEQUENCE);
                authority = fields.and_then(|fields| Der::new(fields).optional(context(0)).flatten());
            }
            _ => {}
        }
    }
    (subject, authority)
}

impl Extensions {
    /// Parses the content of the SEQUENCE of extensions.
    pub(super) fn read(content: &[u8]) -> Result<Self, Malformed> {
        let mut all = Vec::new();
        let mut der = Der::new(content);
        while !der.is_empty() {
            all.push(extension(&mut der).ok_or(Malformed::Field("extensions"))?);
        }
        refuse_twice(&all)?;
        let mut read = Self {
            basic_constraints: None,
            key_usage: None,
            purposes: None,
            name_constraints: None,
            policies: Ok(Policies::default()),
            alternative_names: None,
            distribution_points: None,
            no_revocation: false,
            unknown_critical: None,
        };
        let mut policies = Ok(Policies::default());
        for extension in &all {
            let malformed = || Malformed::Extension(extension_name(extension.oid));
            let value = extension.value;
            let sequence = || der::only(value, der::SEQUENCE).ok_or_else(malformed);
            match standard(extension.oid) {
                Some(15) => read.key_usage = Some(key_usage(value).ok_or_else(malformed)?),
                Some(17) => read.alternative_names = Some(sequence()?.into()),
                Some(19) => read.basic_constraints = Some(basic_constraints(value).ok_or_else(malformed)?),
                Some(30) => read.name_constraints = Some(name_constraints(value).ok_or_else(malformed)),
                Some(31) => read.distribution_points = Some(sequence()?.into()),
                Some(37) => read.purposes = Some(oids(sequence()?).ok_or_else(malformed)?),
                Some(56) => read.no_revocation = true,
                Some(number @ (32 | 33 | 36 | 54)) => {
                    let is_read =
                        policies.as_mut().is_ok_and(|policies| policies.read(number, value).is_some());
                    // Malformed certificatePolicies are ignored if they are not critical, but the other three extensions
                    // restrict the path and must be valid.
                    if !is_read && policies.is_ok() && (extension.critical || number != 32) {
                        policies = Err(malformed());
                    }
                }
                _ if extension.critical && extension.oid != SIGNED_CERTIFICATE_TIMESTAMPS => {
                    read.unknown_critical.get_or_insert_with(|| extension_name(extension.oid));
                }
                _ => {}
            }
        }
        Ok(Self { policies, ..read })
    }

    /// Whether keyUsage is absent or has one of these bits.
    pub(crate) fn allows(&self, usage: u16) -> bool {
        self.key_usage.is_none_or(|allowed| allowed.allows(usage))
    }

    /// Whether basicConstraints cA is set.
    pub(crate) fn is_ca(&self) -> bool {
        self.basic_constraints.is_some_and(|constraints| constraints.ca)
    }

    /// The pathLenConstraint.
    pub(crate) fn path_length(&self) -> Option<u32> {
        self.basic_constraints.and_then(|constraints| constraints.path_length)
    }
}

/// Section 4.2: an extension must not occur twice.
fn refuse_twice(all: &[Extension<'_>]) -> Result<(), Malformed> {
    let mut oids: Vec<&[u8]> = all.iter().map(|extension| extension.oid).collect();
    oids.sort_unstable();
    match oids.windows(2).find(|pair| pair.first() == pair.last()).and_then(<[_]>::first) {
        Some(oid) => Err(Malformed::Twice(extension_name(oid))),
        None => Ok(()),
    }
}

fn basic_constraints(value: &[u8]) -> Option<BasicConstraints> {
    let mut der = Der::new(der::only(value, der::SEQUENCE)?);
    let ca = der.optional_boolean()?;
    let path_length = match der.optional(der::INTEGER)? {
        Some(content) => Some(der::unsigned(content)?),
        None => None,
    };
    der.end()?;
    Some(BasicConstraints { ca, path_length })
}

fn key_usage(value: &[u8]) -> Option<KeyUsage> {
    der::only(value, der::BIT_STRING).and_then(der::named_bits).map(KeyUsage)
}

fn oids(content: &[u8]) -> Option<Vec<Oid>> {
    let mut der = Der::new(content);
    let mut oids = Vec::new();
    while !der.is_empty() {
        oids.push(der.take(der::OID)?.into());
    }
    Some(oids)
}

fn name_constraints(value: &[u8]) -> Option<NameConstraints> {
    let mut der = Der::new(der::only(value, der::SEQUENCE)?);
    let permitted = der.optional(constructed(0))?;
    let excluded = der.optional(constructed(1))?;
    der.end()?;
    Some(NameConstraints { permitted: subtrees(permitted)?, excluded: subtrees(excluded)? })
}

fn subtrees(content: Option<&[u8]>) -> Option<Vec<Subtree>> {
    let mut der = Der::new(content.unwrap_or_default());
    let mut subtrees = Vec::new();
    while !der.is_empty() {
        let mut subtree = Der::new(der.take(der::SEQUENCE)?);
        let GeneralName { kind, content } = GeneralName::take(&mut subtree)?;
        // Section 4.2.1.10: minimum must be its default, which is not encoded, and maximum absent.
        subtree.end()?;
        let directory = match kind {
            NameKind::DirectoryName => Some(DistinguishedName::from_der(content).ok()?),
            _ => None,
        };
        subtrees.push(Subtree { kind, base: content.into(), directory });
    }
    Some(subtrees)
}

impl Policies {
    /// Parses one of the four extensions, by the last arc under 2.5.29.
    fn read(&mut self, number: u8, value: &[u8]) -> Option<()> {
        match number {
            32 => self.named = Some(policies(value)?),
            33 => self.mappings = mappings(value)?,
            36 => {
                let mut der = Der::new(der::only(value, der::SEQUENCE)?);
                for (tag, field) in
                    [(context(0), &mut self.require_explicit), (context(1), &mut self.inhibit_mapping)]
                {
                    if let Some(content) = der.optional(tag)? {
                        *field = Some(der::unsigned(content)?);
                    }
                }
                der.end()?;
            }
            _ => self.inhibit_any = Some(der::unsigned(der::only(value, der::INTEGER)?)?),
        }
        Some(())
    }
}

fn policies(value: &[u8]) -> Option<Vec<Oid>> {
    let mut der = Der::new(der::only(value, der::SEQUENCE)?);
    let mut policies: Vec<Oid> = Vec::new();
    while !der.is_empty() {
        let mut information = Der::new(der.take(der::SEQUENCE)?);
        policies.push(information.take(der::OID)?.into());
        // Policy qualifiers do not affect path validation.
        information.optional(der::SEQUENCE)?;
        information.end()?;
    }
    let mut sorted: Vec<&Oid> = policies.iter().collect();
    sorted.sort_unstable();
    let is_twice = sorted.windows(2).any(|pair| pair.first() == pair.last());
    (!policies.is_empty() && !is_twice).then_some(policies)
}

fn mappings(value: &[u8]) -> Option<Vec<(Oid, Oid)>> {
    let mut der = Der::new(der::only(value, der::SEQUENCE)?);
    let mut mappings = Vec::new();
    while !der.is_empty() {
        let mut mapping = Der::new(der.take(der::SEQUENCE)?);
        mappings.push((mapping.take(der::OID)?.into(), mapping.take(der::OID)?.into()));
        mapping.end()?;
    }
    (!mappings.is_empty()).then_some(mappings)
}
