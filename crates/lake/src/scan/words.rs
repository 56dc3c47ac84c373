//! The texts of a column as numbers.
//!
//! Nearly all rows of a column have one of a few texts, which a file says once, in a dictionary. So pages of texts are
//! handed on as pages of integers, which are decoded without touching a text, and each text is looked at once. Texts
//! that a page has in its rows are numbered as they come.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use parquet::{
    basic::Encoding,
    column::page::{Page, PageMetadata, PageReader},
    errors::ParquetError,
};

/// The texts that numbers stand for.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// In the order of their numbers. The first is the dictionary, where there is one.
    pages: Vec<Texts>,
    /// How many numbers were given.
    count: usize,
    has_dictionary: bool,
}

/// The texts of a page.
#[derive(Debug)]
struct Texts {
    /// The number of the first.
    first: usize,
    bytes: Bytes,
    /// Where each lies.
    places: Vec<Range<u32>>,
}

impl Words {
    /// The text with a number.
    pub(super) fn get(&self, number: usize) -> Result<&str, ParquetError> {
        let page = self.pages.partition_point(|page| page.first <= number).checked_sub(1);
        let found = page.and_then(|page| self.pages.get(page)).and_then(|page| {
            let place = page.places.get(number - page.first)?;
            page.bytes.get(place.start as usize..place.end as usize)
        });
        let bytes = found.ok_or_else(|| broken("a text has no number"))?;
        std::str::from_utf8(bytes).map_err(|_| broken("a text is not UTF-8"))
    }

    /// How many numbers were given.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Lets go of the pages that are behind: of all but the dictionary and the last.
    pub(super) fn forget(&mut self) {
        let kept = usize::from(self.has_dictionary);
        if let Some(last) = self.pages.len().checked_sub(1).filter(|last| kept < *last) {
            self.pages.drain(kept..last);
        }
    }

    /// Takes in texts, each behind its length, and returns their numbers as a page has integers.
    fn take(&mut self, bytes: Bytes, into: &mut Vec<u8>) -> Result<(), ParquetError> {
        let (first, mut at, mut places) = (self.count, 0_usize, Vec::new());
        while at < bytes.len() {
            let length = bytes.get(at..).and_then(<[u8]>::first_chunk);
            let length = u32::from_le_bytes(*length.ok_or_else(|| broken("a text is cut off"))?);
            let end = at.saturating_add(4).saturating_add(length as usize);
            if bytes.len() < end {
                return Err(broken("a text is cut off"));
            }
            let place = |at: usize| u32::try_from(at).map_err(|_| broken("a page is too large"));
            places.push(place(at + 4)?..place(end)?);
            at = end;
            let number = i32::try_from(self.count).map_err(|_| broken("too many texts"))?;
            into.extend_from_slice(&number.to_le_bytes());
            self.count += 1;
        }
        self.pages.push(Texts { first, bytes, places });
        Ok(())
    }
}

fn broken(what: &str) -> ParquetError {
    ParquetError::General(what.to_owned())
}

/// Pages of numbers in place of those of texts.
pub(super) struct Numbered<P> {
    pages: P,
    /// Whether rows may be without a text.
    has_levels: bool,
    words: Arc<Mutex<Words>>,
}

impl<P: PageReader> Numbered<P> {
    pub(super) fn of(pages: P, has_levels: bool) -> Self {
        Self { pages, has_levels, words: Arc::default() }
    }

    /// What the numbers stand for, as far as pages were read.
    pub(super) fn words(&self) -> Arc<Mutex<Words>> {
        Arc::clone(&self.words)
    }

    fn lock(&self) -> MutexGuard<'_, Words> {
        self.words.lock()
    }

    fn numbered(&self, page: Page) -> Result<Page, ParquetError> {
        match page {
            Page::DictionaryPage { buf, num_values, encoding, is_sorted } => {
                let (mut numbers, mut words) = (Vec::with_capacity(buf.len() / 2), self.lock());
                words.take(buf, &mut numbers)?;
                words.has_dictionary = true;
                Ok(Page::DictionaryPage { buf: numbers.into(), num_values, encoding, is_sorted })
            }
            Page::DataPage {
                buf,
                num_values,
                encoding,
                def_level_encoding,
                rep_level_encoding,
                statistics,
            } => {
                let levels =
                    if self.has_levels { levels_bytes(&buf, def_level_encoding)? } else { 0 };
                let buf = self.values(buf, levels, encoding)?;
                Ok(Page::DataPage {
                    buf,
                    num_values,
                    encoding,
                    def_level_encoding,
                    rep_level_encoding,
                    statistics,
                })
            }
            Page::DataPageV2 {
                buf,
                num_values,
                encoding,
                num_nulls,
                num_rows,
                def_levels_byte_len,
                rep_levels_byte_len,
                is_compressed,
                statistics,
            } => {
                let levels = def_levels_byte_len.saturating_add(rep_levels_byte_len) as usize;
                let buf = self.values(buf, levels, encoding)?;
                Ok(Page::DataPageV2 {
                    buf,
                    num_values,
                    encoding,
                    num_nulls,
                    num_rows,
                    def_levels_byte_len,
                    rep_levels_byte_len,
                    is_compressed,
                    statistics,
                })
            }
        }
    }

    /// The values of a page behind its levels, as numbers: those of a dictionary are.
    fn values(
        &self,
        page: Bytes,
        levels: usize,
        encoding: Encoding,
    ) -> Result<Bytes, ParquetError> {
        if matches!(encoding, Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY) {
            let has_dictionary = self.lock().has_dictionary;
            return if has_dictionary { Ok(page) } else { Err(broken("a dictionary is missing")) };
        }
        if encoding != Encoding::PLAIN || page.len() < levels {
            return Err(broken("texts are not encoded as this program encodes them"));
        }
        let mut numbers = page.slice(..levels).to_vec();
        self.lock().take(page.slice(levels..), &mut numbers)?;
        Ok(numbers.into())
    }
}

/// How many bytes the levels at the beginning of a page take.
fn levels_bytes(page: &Bytes, encoding: Encoding) -> Result<usize, ParquetError> {
    if encoding != Encoding::RLE {
        return Err(broken("levels are not encoded as this program encodes them"));
    }
    let length = page.first_chunk().ok_or_else(|| broken("levels are cut off"))?;
    Ok((u32::from_le_bytes(*length) as usize).saturating_add(4))
}

impl<P: PageReader> Iterator for Numbered<P> {
    type Item = Result<Page, ParquetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl<P: PageReader> PageReader for Numbered<P> {
    fn get_next_page(&mut self) -> Result<Option<Page>, ParquetError> {
        let page = self.pages.get_next_page()?;
        page.map(|page| self.numbered(page)).transpose()
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>, ParquetError> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<(), ParquetError> {
        self.pages.skip_next_page()
    }
}
