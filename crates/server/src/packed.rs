//! Texts that are built in, packed as well as gzip can be, once for each process: it takes a moment that no visitor
//! should wait for, and leaves a thirtieth less for all of them.

use std::{
    io::{self, Write as _},
    mem,
    sync::OnceLock,
};

use flate2::{Compression, Crc, write::DeflateEncoder};

/// The header of a file without name and time (RFC 1952, 2.3.1): the magic number, deflate, no flags, no time, the
/// slowest algorithm, no system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255];

/// A text that is built in.
pub(crate) struct Packed {
    pub(crate) text: &'static str,
    deflated: OnceLock<(Vec<u8>, Crc)>,
}

impl Packed {
    pub(crate) const fn new(text: &'static str) -> Self {
        Self { text, deflated: OnceLock::new() }
    }

    /// The file (RFC 1952) of `before` with this text behind it. Only `before` is packed now: it ends on a whole byte
    /// (RFC 1951, 3.2.4), so that what was packed ahead can follow.
    ///
    /// # Errors
    ///
    /// When `before` cannot be packed, for which there is no reason other than a fault of the library.
    pub(crate) fn gzip(&self, before: &str) -> io::Result<Vec<u8>> {
        let (deflated, of_text) = self.deflated()?;
        let mut packer = DeflateEncoder::new(HEADER.to_vec(), Compression::best());
        packer.write_all(before.as_bytes())?;
        packer.flush()?;
        let mut file = mem::take(packer.get_mut());
        file.extend_from_slice(deflated);
        let mut sum = Crc::new();
        sum.update(before.as_bytes());
        sum.combine(of_text);
        file.extend(sum.sum().to_le_bytes());
        file.extend(sum.amount().to_le_bytes());
        Ok(file)
    }

    fn deflated(&self) -> io::Result<&(Vec<u8>, Crc)> {
        if let Some(packed) = self.deflated.get() {
            return Ok(packed);
        }
        let (mut packed, mut sum) = (Vec::new(), Crc::new());
        let bytes = self.text.as_bytes();
        zopfli::compress(zopfli::Options::default(), zopfli::Format::Deflate, bytes, &mut packed)?;
        sum.update(bytes);
        Ok(self.deflated.get_or_init(|| (packed, sum)))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use proptest::prelude::*;

    use super::*;

    fn unpacked(file: &[u8]) -> String {
        let mut text = String::new();
        let mut reader = GzDecoder::new(file);
        reader.read_to_string(&mut text).unwrap();
        // Nothing follows the file, which a browser could take for a second one.
        assert!(reader.into_inner().is_empty());
        text
    }

    const SAME: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    proptest! {
        #[test]
        fn what_comes_before_is_put_before(before in "\\PC{0,400}") {
            static TEXTS: [Packed; 3] = [Packed::new(""), Packed::new("a = 1"), Packed::new(SAME)];
            for text in &TEXTS {
                let file = text.gzip(&before).unwrap();
                prop_assert_eq!(unpacked(&file), format!("{before}{}", text.text));
            }
        }
    }
}
