//! A compact sorted set of serial numbers, since a CRL may contain a million.

use webpki::BorrowedCertRevocationList;

/// Serial numbers, sorted and concatenated.
#[derive(Debug, Default)]
pub(super) struct Serials {
    bytes: Box<[u8]>,
    /// The end of each number in `bytes`.
    ends: Box<[u32]>,
}

impl Serials {
    /// The serial numbers that a CRL revokes. An entry with unsupported extensions is an error.
    pub(super) fn of(list: &BorrowedCertRevocationList<'_>) -> Result<Self, webpki::Error> {
        let entries = list.into_iter().map(|entry| entry.map(|entry| minimal(entry.serial_number)));
        let mut serials = entries.collect::<Result<Vec<&[u8]>, _>>()?;
        serials.sort_unstable();
        serials.dedup();
        let mut ends = Vec::with_capacity(serials.len());
        let mut end = 0_u32;
        for serial in &serials {
            let length = u32::try_from(serial.len()).map_err(|_| webpki::Error::BadDer)?;
            end = end.checked_add(length).ok_or(webpki::Error::BadDer)?;
            ends.push(end);
        }
        Ok(Self { bytes: serials.concat().into(), ends: ends.into() })
    }

    /// Whether the set contains this serial number (the content of the INTEGER).
    pub(super) fn contains(&self, serial: &[u8]) -> bool {
        let serial = minimal(serial);
        let (mut low, mut high) = (0, self.ends.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.get(middle).cmp(serial) {
                std::cmp::Ordering::Equal => return true,
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        false
    }

    fn get(&self, index: usize) -> &[u8] {
        let end = |index: usize| self.ends.get(index).map_or(0, |end| *end as usize);
        let start = index.checked_sub(1).map_or(0, end);
        self.bytes.get(start..end(index)).unwrap_or_default()
    }
}

/// An INTEGER's content in its shortest form, since some CAs pad a serial number in the certificate but not in the CRL.
fn minimal(mut serial: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = serial
        && rest.first().is_some_and(|next| *first == if next & 0x80 == 0 { 0 } else { 0xff })
    {
        serial = rest;
    }
    serial
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_of_a_serial_number_is_ignored() {
        let serials = Serials { bytes: [0, 200, 1, 2, 7].into(), ends: [2, 3, 4, 5].into() };
        for (serial, is_there) in [
            (&[1][..], true),
            (&[0, 1], true),
            (&[0, 0, 2], true),
            (&[0, 200], true),
            (&[0, 0, 200], true),
            (&[200], false),
            (&[7], true),
            (&[3], false),
            (&[], false),
        ] {
            assert_eq!(serials.contains(serial), is_there, "{serial:?}");
        }
        assert!(!Serials::default().contains(&[1]));
    }
}
