//! Errors of parsing request parameters.

/// Why the parameters of a request are refused: they are malformed, or servers may read them differently. `Display` is the
/// `error_description` of the 400 response, which says what to send.
///
/// Variants about a parameter contain its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// There is no `client_id`.
    #[error(
        "the request names no client: send client_id in the body (a form or JSON), by HTTP Basic, or on GET in the query"
    )]
    NoClient,
    /// Two places have different values.
    #[error("{0} has two different values: it must be the same wherever it is sent")]
    Differ(&'static str),
    /// A parameter is in the query of a POST, where some servers read it and others do not.
    #[error("{0} is in the query, but the method is not GET: send it in the body only")]
    InQuery(&'static str),
    /// A GET has a body, which some servers read and others do not (RFC 9110 section 9.3.1).
    #[error("a GET request must not have a body: send the parameters in the query")]
    BodyOfGet,
    /// A parameter is repeated (RFC 6749 section 3.2).
    #[error("{0} appears more than once: send it once")]
    Repeated(&'static str),
    /// Some servers take another name for this one.
    #[error(
        "a parameter's name differs from {0} only in case, punctuation, escapes or invisible characters: remove it"
    )]
    Lookalike(&'static str),
    /// A semicolon is next to the parameter, at which some servers end a parameter.
    #[error("{0} is next to a semicolon: separate parameters with & alone, and send ; as %3B")]
    Separator(&'static str),
    /// An escape is malformed, which decoders treat differently.
    #[error("a percent sign in {0} is not followed by two hexadecimal digits: send it as %25")]
    Escape(&'static str),
    /// A parameter overrides the method in some servers.
    #[error("a parameter overrides the request's method: remove it, and send the method itself")]
    MethodOverride,
    /// `_charset_` selects another charset in some servers.
    #[error("the parameter _charset_ must be UTF-8: remove it")]
    Charset,
    /// A parameter can modify the prototype of all objects in some servers.
    #[error("a parameter is named __proto__ or constructor: remove it")]
    Prototype,
    /// The value is not UTF-8.
    #[error("{0} is not valid UTF-8")]
    NotUtf8(&'static str),
    /// The value contains a control character, at which some servers end it.
    #[error("{0} contains a control character: remove it")]
    Control(&'static str),
    /// The value begins or ends with whitespace, which some servers remove.
    #[error("{0} begins or ends with whitespace: remove it")]
    OuterWhitespace(&'static str),
    /// The Content-Type is JSON, but the body is not.
    #[error("the body is not a JSON object whose OAuth parameters are strings, but its Content-Type is JSON")]
    NotJson,
    /// The Content-Type is a form, but the body looks like JSON.
    #[error(
        "the body looks like JSON, but its Content-Type says form: send Content-Type: application/json, or escape the first name"
    )]
    NotForm,
    /// A string in a JSON body is a parameter to servers that only parse forms.
    #[error(
        "a string in the JSON body contains an & and the name of a parameter, such as &client_id=: write the & as \\u0026"
    )]
    FormInJson,
    /// The edge cannot read the body, but the upstream might.
    #[error(
        "the body's Content-Type must be application/x-www-form-urlencoded or application/json, with no parameter but charset=utf-8"
    )]
    ContentType,
    /// The body has non-ASCII bytes in a charset other than UTF-8.
    #[error("the body has non-ASCII characters, but its charset is not UTF-8: send charset=utf-8")]
    BodyCharset,
    /// The body is compressed.
    #[error("the body must not be compressed: remove Content-Encoding")]
    ContentEncoding,
    /// `Authorization` is not valid HTTP Basic (RFC 7617).
    #[error(
        "the Authorization header is not well-formed HTTP Basic: send it once, as Basic and the base64 of client_id:secret"
    )]
    Basic,
    /// The credentials in HTTP Basic are not form-encoded (RFC 6749 section 2.3.1).
    #[error("the {0} in HTTP Basic is not form-encoded: send letters and digits as they are, % as %25")]
    BasicEscape(&'static str),
    /// `Authorization` is malformed (RFC 9110 section 11.4).
    #[error("the Authorization header must be one scheme, a space, and its credentials: send it once")]
    Authorization,
}
