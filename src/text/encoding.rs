//! Detects UTF-16 and UTF-32, which Windows tools write, to report them by name.

/// The UTF-8 byte order mark, which is skipped.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Removes a UTF-8 byte order mark from the beginning.
#[must_use]
pub fn strip_bom(text: &[u8]) -> &[u8] {
    text.strip_prefix(MARK).unwrap_or(text)
}

/// An encoding other than UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wide {
    /// The name for messages.
    pub name: &'static str,
    /// Offset in bytes at which it begins: Windows PowerShell appends UTF-16 to files in other encodings.
    pub at: usize,
    /// How an operator fixes the file; `{file}` and `{new}` are placeholders for file names.
    pub fix: &'static str,
}

/// Detects UTF-16 or UTF-32, by a byte order mark or by the NUL bytes that ASCII characters have in them.
#[must_use]
pub fn wide(text: &[u8]) -> Option<Wide> {
    let wide = |name, fix| Some(Wide { name, at: 0, fix });
    match text {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => {
            return wide("UTF-32", "run: iconv -f UTF-32 -t UTF-8 {file} > {new}");
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            return wide("UTF-16", "run: iconv -f UTF-16 -t UTF-8 {file} > {new}");
        }
        _ => {}
    }
    let nul = text.iter().position(|byte| *byte == 0)?;
    let is_ascii = |at: usize| text.get(at).is_some_and(|byte| byte.is_ascii() && *byte != 0);
    if !is_ascii(nul + 1) || text.get(nul + 2) != Some(&0) {
        return None;
    }
    match nul {
        0 => wide("UTF-16", "run: iconv -f UTF-16BE -t UTF-8 {file} > {new}"),
        1 => wide("UTF-16", "run: iconv -f UTF-16LE -t UTF-8 {file} > {new}"),
        _ => Some(Wide { name: "UTF-16", at: nul, fix: "save the whole file in one encoding, UTF-8" }),
    }
}
