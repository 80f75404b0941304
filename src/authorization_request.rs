//! The authorization request policy: signed request objects (JAR, RFC 9101), pushed authorization requests (PAR, RFC 9126), and
//! what each application requires of its requests.
//!
//! Pure: it is given the parameters that were parsed, the registered application, the domain's audiences and the time.

mod contradictions;
mod endpoint;
mod error;
pub mod fapi;
mod form;
mod request_object;

pub use contradictions::Contradictions;
pub use endpoint::Endpoint;
pub use error::{FapiError, Part, RequestError};
pub use form::{Form, Outside, Requirements};
pub use request_object::RequestObject;
