//! Percent-decoding, with the various treatments of malformed escapes.

fn hex(byte: Option<&u8>) -> Option<u8> {
    byte.and_then(|byte| char::from(*byte).to_digit(16)).and_then(|digit| u8::try_from(digit).ok())
}

/// `+` is a space; a malformed escape stays as it is (WHATWG, PHP, Python).
pub fn lenient(component: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut at = 0;
    while let Some(byte) = component.get(at) {
        match (byte, hex(component.get(at + 1)), hex(component.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(high << 4 | low);
                at += 3;
                continue;
            }
            (b'+', ..) => decoded.push(b' '),
            _ => decoded.push(*byte),
        }
        at += 1;
    }
    decoded
}

/// A malformed escape is an error (Go, Java, Ruby).
pub fn strict(component: &[u8]) -> Option<Vec<u8>> {
    let broken = component.iter().enumerate().any(|(at, byte)| {
        *byte == b'%' && (hex(component.get(at + 1)).is_none() || hex(component.get(at + 2)).is_none())
    });
    (!broken).then(|| lenient(component))
}

/// Also decodes `%uXXXX` (.NET Framework, JavaScript's `unescape`).
pub fn with_unicode(component: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < component.len() {
        let digits = component.get(at..at + 6).filter(|text| text.starts_with(b"%u"));
        let code = digits.and_then(|text| std::str::from_utf8(&text[2..]).ok());
        if let Some(c) = code.and_then(|code| u32::from_str_radix(code, 16).ok()).and_then(char::from_u32) {
            decoded.extend_from_slice(c.to_string().as_bytes());
            at += 6;
            continue;
        }
        let end = if component[at] == b'%' { (at + 3).min(component.len()) } else { at + 1 };
        decoded.extend(lenient(&component[at..end]));
        at = end;
    }
    decoded
}

/// Decodes overlong UTF-8 too, as old decoders did.
pub fn overlong(bytes: &[u8]) -> String {
    let mut text = String::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if let (0xc0 | 0xc1, Some(next @ 0x80..=0xbf)) = (byte, bytes.get(at + 1)) {
            text.push(char::from((byte & 1) << 6 | (next & 0x3f)));
            at += 2;
        } else {
            let end = (at + 1..=bytes.len()).find(|end| std::str::from_utf8(&bytes[at..*end]).is_ok());
            if let Some(end) = end.filter(|end| end - at <= 4) {
                text.push_str(std::str::from_utf8(&bytes[at..end]).unwrap());
                at = end;
            } else {
                text.push('\u{fffd}');
                at += 1;
            }
        }
    }
    text
}

pub fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Splits a pair into name and value at the first `=`.
pub fn halves(pair: &[u8]) -> (&[u8], &[u8]) {
    let at = pair.iter().position(|byte| *byte == b'=');
    at.map_or((pair, &b""[..]), |at| (&pair[..at], &pair[at + 1..]))
}
