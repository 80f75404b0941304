//! Why a request cannot be read, or not in the same way by every server.

/// Why a request's parameters are refused. `Display` is the description of the 400 that the client gets: it says what to send.
///
/// A variant that is about one parameter has its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// There is no client_id.
    #[error(
        "the request names no client: send client_id in the body (a form or JSON), by HTTP Basic, or on GET in the query"
    )]
    NoClient,
    /// Two places, two values.
    #[error("{0} has two different values: it must be the same wherever it is sent")]
    Differ(&'static str),
    /// RFC 6749 section 3.2: parameters must not be included more than once.
    #[error("{0} appears more than once: send it once")]
    Repeated(&'static str),
    /// A name that some servers take for this one.
    #[error(
        "a parameter's name differs from {0} only in case, punctuation, escapes or invisible characters: remove it"
    )]
    Lookalike(&'static str),
    /// Some servers end a parameter at a semicolon.
    #[error("{0} is next to a semicolon: separate parameters with & alone, and send ; as %3B")]
    Separator(&'static str),
    /// Decoders differ in what they make of it.
    #[error("a percent sign in {0} is not followed by two hexadecimal digits: send it as %25")]
    Escape(&'static str),
    /// Some servers serve the method that a parameter names.
    #[error("a parameter overrides the request's method: remove it, and send the method itself")]
    MethodOverride,
    /// Some servers decode what follows by the charset that this parameter names.
    #[error("the parameter _charset_ must be UTF-8: remove it")]
    Charset,
    /// Some servers set properties of every object by it.
    #[error("a parameter is named __proto__ or constructor: remove it")]
    Prototype,
    /// Not text.
    #[error("{0} is not valid UTF-8")]
    NotUtf8(&'static str),
    /// Some servers end a value at a NUL or a line's end.
    #[error("{0} contains a control character: remove it")]
    Control(&'static str),
    /// `Content-Type: application/json` with something else in it.
    #[error("the body is not a JSON object with a string client_id, but its Content-Type is JSON")]
    NotJson,
    /// JSON under a form's Content-Type.
    #[error(
        "the body looks like JSON, but its Content-Type says form: send Content-Type: application/json, or escape the first name"
    )]
    NotForm,
    /// A string of a JSON body that a server which reads forms only takes for a parameter.
    #[error("a string in the JSON body contains &client_id=: write the & as \\u0026")]
    FormInJson,
    /// A body that the edge cannot read, though the upstream might.
    #[error(
        "the body's Content-Type must be application/x-www-form-urlencoded or application/json, with no parameter but charset=utf-8"
    )]
    ContentType,
    /// Bytes that mean another character in each charset.
    #[error("the body has non-ASCII characters, but its charset is not UTF-8: send charset=utf-8")]
    BodyCharset,
    /// A compressed body.
    #[error("the body must not be compressed: remove Content-Encoding")]
    ContentEncoding,
    /// RFC 7617.
    #[error(
        "the Authorization header is not well-formed HTTP Basic: send it once, as Basic and the base64 of client_id:secret"
    )]
    Basic,
    /// RFC 6749 section 2.3.1.
    #[error("the {0} in HTTP Basic is not form-encoded: send letters and digits as they are, % as %25")]
    BasicEscape(&'static str),
    /// RFC 9110 section 11.4.
    #[error("the Authorization header must be one scheme, a space, and its credentials: send it once")]
    Authorization,
}
