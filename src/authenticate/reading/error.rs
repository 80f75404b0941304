//! Why a request does not name one client by every reading.

/// Why a request names no client, or not one and the same for every server. `Display` is for the application's developer: it says what to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientIdError {
    /// Nowhere.
    #[error(
        "the request names no client: send client_id in the body (a form or JSON), by HTTP Basic, or on GET in the query"
    )]
    Missing,
    /// Two places, two clients.
    #[error("the request names two different clients: client_id must be the same wherever it is sent")]
    Differ,
    /// RFC 6749 section 3.2: parameters must not be included more than once.
    #[error("client_id is sent more than once: send it once")]
    Repeated,
    /// A name that some servers take for `client_id`.
    #[error(
        "a parameter's name differs from client_id only in case, punctuation, escapes or invisible characters: remove it"
    )]
    Lookalike,
    /// Some servers end a parameter at a semicolon.
    #[error("client_id is next to a semicolon: separate parameters with & alone, and send ; as %3B")]
    Separator,
    /// Decoders differ in what they make of it.
    #[error("a percent sign in client_id is not followed by two hexadecimal digits: send it as %25")]
    Escape,
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
    #[error("client_id is not valid UTF-8")]
    NotUtf8,
    /// Some servers end a value at a NUL or a line's end.
    #[error("client_id contains a control character: remove it")]
    Control,
    /// `Content-Type: application/json` with something else in it.
    #[error("the body is not a JSON object with a string client_id, but its Content-Type is JSON")]
    NotJson,
    /// JSON in a form's clothes.
    #[error(
        "the body looks like JSON, but its Content-Type says form: send Content-Type: application/json, or escape the first name"
    )]
    NotForm,
    /// A string of a JSON body that a server which reads forms only takes for a parameter.
    #[error("a string in the JSON body contains &client_id=: write the & as \\u0026")]
    FormInJson,
    /// A body that the edge can't read for `client_id`, though the upstream might.
    #[error(
        "the body's Content-Type must be application/x-www-form-urlencoded or application/json, with no parameter but charset=utf-8"
    )]
    ContentType,
    /// Octets that mean another character in each charset.
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
    #[error("the client_id in HTTP Basic is not form-encoded: send letters and digits as they are, % as %25")]
    BasicEscape,
    /// RFC 9110 section 11.4.
    #[error("the Authorization header must be one scheme, a space, and its credentials: send it once")]
    Authorization,
}
