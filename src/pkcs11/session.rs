//! Finds a token and a key in it, logs in, and signs. Everything here blocks: it runs on the module's threads only.

use std::sync::{
    Arc, PoisonError,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use cryptoki::{
    context::Pkcs11,
    error::{Error, RvError},
    object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle},
    session::{Session, SessionState, UserType},
    slot::{Slot, TokenInfo},
    types::AuthPin,
};

use super::{
    KeyUri, OpenError,
    refusals::{Refusals, Tried},
    scheme::Order,
    uri::{escaped_id, listed},
};

/// The most tokens or keys that a message lists.
const LISTED: usize = 10;
/// The most keys whose names are read for it.
const READ: usize = 100;

/// A session of a token, and the private key in it.
pub(super) struct KeySession {
    session: Session,
    key: ObjectHandle,
    pub(super) key_type: Option<KeyType>,
    /// Whether a signature was verified since the key was found.
    pub(super) is_verified: bool,
    /// Counts the session as long as it is open.
    _counted: Counted,
}

/// Counts something that is open.
pub(super) struct Counted(Arc<AtomicUsize>);

impl Counted {
    pub(super) fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl KeySession {
    /// Opens a session, logs in unless that was done, and finds the key.
    pub(super) fn open(
        context: &Pkcs11,
        uri: &KeyUri,
        pin: &str,
        refusals: &Refusals,
        counted: Counted,
    ) -> Result<Self, OpenError> {
        let (slot, token) = find_token(context, uri)?;
        let session = context.open_ro_session(slot).map_err(|error| failed(&error))?;
        if token.login_required() {
            log_in(&session, context, (slot, &token), pin, refusals)?;
        }
        let key = find_key(&session, uri)?;
        let key_type = match session.get_attributes(key, &[AttributeType::KeyType]).as_deref() {
            Ok([Attribute::KeyType(key_type)]) => Some(*key_type),
            _ => None,
        };
        Ok(Self { session, key, key_type, is_verified: false, _counted: counted })
    }

    /// Signs, and returns the signature as TLS has it.
    pub(super) fn sign(&self, order: &Order) -> Result<Vec<u8>, Error> {
        let (mechanism, _) = order.mechanism();
        self.session.sign(&mechanism, self.key, &order.data).map(|signature| order.encoded(signature))
    }
}

fn find_token(context: &Pkcs11, uri: &KeyUri) -> Result<(Slot, TokenInfo), OpenError> {
    let slots = context.get_slots_with_token().map_err(|error| failed(&error))?;
    // A token may be removed meanwhile.
    let tokens = slots.into_iter().filter_map(|slot| Some((slot, context.get_token_info(slot).ok()?)));
    let all: Vec<(Slot, TokenInfo)> = tokens.filter(|(_, token)| token.token_initialized()).collect();
    let matches = |(slot, token): &&(Slot, TokenInfo)| {
        let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        is(&uri.token, token.label())
            && is(&uri.serial, token.serial_number())
            && is(&uri.manufacturer, token.manufacturer_id())
            && is(&uri.model, token.model())
            && uri.slot.is_none_or(|wanted| wanted == slot.id())
    };
    let shown = |tokens: &[(Slot, TokenInfo)]| {
        let shown = tokens.iter().map(|(slot, token)| {
            let slot = slot.id().to_string();
            listed(&[("token", token.label()), ("serial", token.serial_number()), ("slot-id", &slot)])
        });
        sorted(shown)
    };
    let found: Vec<(Slot, TokenInfo)> = all.iter().filter(matches).cloned().collect();
    let uri = Box::new(uri.clone());
    if found.len() > 1 {
        return Err(OpenError::SeveralTokens { uri, found: shown(&found) });
    }
    found.into_iter().next().ok_or_else(|| OpenError::NoToken { uri, found: shown(&all) })
}

/// Logs in, once at a time, and never by a PIN that the token has refused: it would lock.
fn log_in(
    session: &Session,
    context: &Pkcs11,
    (slot, found): (Slot, &TokenInfo),
    pin: &str,
    refusals: &Refusals,
) -> Result<(), OpenError> {
    let tried = |token: &TokenInfo| Tried::new(token.serial_number(), token.label(), pin);
    let this = tried(found);
    let pins = refusals.of(&this);
    let mut pins = pins.lock().unwrap_or_else(PoisonError::into_inner);
    // Another login may have failed since the token was found.
    let token = context.get_token_info(slot).map_err(|error| failed(&error))?;
    let shown = token.label().to_owned();
    if tried(&token) != this {
        return Err(OpenError::Failed(format!("the token in its slot is now \"{shown}\"")));
    }
    if pins.is_refused(&this) {
        return Err(OpenError::WrongPin { token: shown });
    }
    // The login of one session is that of all sessions of the process.
    let state = session.get_session_info().map(|info| info.session_state());
    if matches!(state, Ok(SessionState::RoUser | SessionState::RwUser)) {
        return if pins.is_other(&this) { Err(OpenError::OtherPin { token: shown }) } else { Ok(()) };
    }
    if token.user_pin_locked() {
        return Err(OpenError::Locked { token: shown });
    }
    if token.user_pin_final_try() {
        return Err(OpenError::LastTry { token: shown });
    }
    match session.login(UserType::User, Some(&AuthPin::new(pin.into()))) {
        Ok(()) => {
            pins.accept(&this);
            Ok(())
        }
        Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
        Err(Error::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _)) => {
            pins.refuse(&this);
            Err(OpenError::WrongPin { token: shown })
        }
        Err(Error::Pkcs11(RvError::PinLocked, _)) => Err(OpenError::Locked { token: shown }),
        Err(error) => Err(failed(&error)),
    }
}

fn find_key(session: &Session, uri: &KeyUri) -> Result<ObjectHandle, OpenError> {
    let class = || vec![Attribute::Class(ObjectClass::PRIVATE_KEY)];
    let mut wanted = class();
    wanted.extend(uri.object.as_ref().map(|label| Attribute::Label(label.clone().into_bytes())));
    wanted.extend(uri.id.clone().map(Attribute::Id));
    let find = |template: &[Attribute]| session.find_objects(template).map_err(|error| failed(&error));
    let shown = |keys: &[ObjectHandle]| -> Vec<String> {
        sorted(keys.iter().take(READ).map(|key| shown_key(session, *key)))
    };
    let found = find(&wanted)?;
    let uri = Box::new(uri.clone());
    match found.as_slice() {
        [key] => Ok(*key),
        [] => Err(OpenError::NoKey { uri, found: shown(&find(&class())?) }),
        _ => Err(OpenError::SeveralKeys { uri, found: shown(&found) }),
    }
}

/// The first ones in their order; a module has none.
fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names.truncate(LISTED);
    names
}

/// A key's label and identifier, as a URI has them.
fn shown_key(session: &Session, key: ObjectHandle) -> String {
    let attributes =
        session.get_attributes(key, &[AttributeType::Label, AttributeType::Id]).unwrap_or_default();
    let (mut label, mut id) = (String::new(), String::new());
    for attribute in attributes {
        match attribute {
            Attribute::Label(found) => label = String::from_utf8_lossy(&found).into_owned(),
            Attribute::Id(found) => id = escaped_id(&found),
            _ => {}
        }
    }
    match (listed(&[("object", &label)]), id) {
        (label, id) if id.is_empty() => label,
        (_, id) if label.is_empty() => format!("id={id}"),
        (label, id) => format!("{label};id={id}"),
    }
}

pub(super) fn failed(error: &Error) -> OpenError {
    OpenError::Failed(described(error))
}

/// An error by the names of the standard, such as `C_Login: CKR_PIN_INCORRECT`.
pub(super) fn described(error: &Error) -> String {
    match error {
        Error::Pkcs11(RvError::VendorDefined(code), function) => {
            format!("C_{function:?}: CKR_VENDOR_DEFINED {code:#x}")
        }
        Error::Pkcs11(RvError::UnknownErrorCode(code), function) => format!("C_{function:?}: {code:#x}"),
        Error::Pkcs11(code, function) => {
            let mut name = String::from("CKR");
            for letter in format!("{code:?}").chars() {
                if letter.is_ascii_uppercase() {
                    name.push('_');
                }
                name.push(letter.to_ascii_uppercase());
            }
            format!("C_{function:?}: {name}")
        }
        other => other.to_string(),
    }
}
