//! The rows that a statement gives, read column by column.
//!
//! pgrx' own tuple table looks up each value of each row twice, by its ordinal and with PostgreSQL's errors caught
//! around every one; here a row is taken apart once.

use chrono::{DateTime, Utc};
use pgrx::datum::{FromDatum, TimestampWithTimeZone};
use pgrx::pg_sys;
use pgrx::spi::{SpiError, SpiErrorCodes, SpiResult};
use uuid::Uuid;

use super::datum::instant;

/// What the last SPI command gave: its rows, and how many.
pub(super) struct Rows {
    table: *mut pg_sys::SPITupleTable,
    count: usize,
}

impl Rows {
    /// Takes over what the command that was run just now left behind.
    ///
    /// # Safety
    /// Within an SPI connection, right after a command; no other command of the same connection is run meanwhile.
    pub unsafe fn of_last_command() -> Self {
        // SAFETY: SPI sets both for every command; without rows the table is null.
        unsafe {
            let table = pg_sys::SPI_tuptable;
            Self { table, count: if table.is_null() { 0 } else { (*table).numvals as usize } }
        }
    }

    pub fn len(&self) -> usize {
        self.count
    }

    /// Reads all rows, in their order.
    pub fn all<T>(self, mut read: impl FnMut(&mut Columns) -> SpiResult<T>) -> SpiResult<Vec<T>> {
        let mut found = Vec::with_capacity(self.count);
        self.each(|columns| {
            found.push(read(columns)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// Hands out the rows one after the other, then frees them. (After an error SPI does.)
    pub fn each(self, mut take: impl FnMut(&mut Columns) -> SpiResult<()>) -> SpiResult<()> {
        if self.count == 0 {
            return Ok(());
        }
        // SAFETY: the table has `count` rows of its descriptor; a row's arrays have room for each of its columns. It is
        // SPI's own, and what was read of it has been copied.
        unsafe {
            let descriptor = (*self.table).tupdesc;
            let columns = (*descriptor).natts as usize;
            let mut row = Columns { values: vec![pg_sys::Datum::null(); columns], nulls: vec![true; columns], next: 0 };
            for tuple in std::slice::from_raw_parts((*self.table).vals, self.count) {
                pg_sys::heap_deform_tuple(*tuple, descriptor, row.values.as_mut_ptr(), row.nulls.as_mut_ptr());
                row.next = 0;
                take(&mut row)?;
            }
            pg_sys::SPI_freetuptable(self.table);
        }
        Ok(())
    }
}

/// A row's columns, read one after the other.
pub struct Columns {
    values: Vec<pg_sys::Datum>,
    nulls: Vec<bool>,
    next: usize,
}

impl Columns {
    fn value<T: FromDatum>(&mut self) -> SpiResult<Option<T>> {
        let place = self.next;
        self.next += 1;
        match (self.values.get(place), self.nulls.get(place)) {
            // SAFETY: the store's statements give columns of the types that are read; the value is copied out at once.
            (Some(value), Some(is_null)) => Ok(unsafe { T::from_datum(*value, *is_null) }),
            _ => Err(SpiError::SpiError(SpiErrorCodes::NoAttribute)),
        }
    }

    pub fn text(&mut self) -> SpiResult<Option<String>> {
        self.value()
    }

    /// A column that is never NULL, or counts as empty.
    pub fn word(&mut self) -> SpiResult<String> {
        Ok(self.text()?.unwrap_or_default())
    }

    pub fn texts(&mut self) -> SpiResult<Vec<String>> {
        Ok(self.value::<Vec<Option<String>>>()?.unwrap_or_default().into_iter().flatten().collect())
    }

    pub fn flag(&mut self) -> SpiResult<bool> {
        Ok(self.value()?.unwrap_or_default())
    }

    pub fn int(&mut self) -> SpiResult<Option<i32>> {
        self.value()
    }

    pub fn long(&mut self) -> SpiResult<Option<i64>> {
        self.value()
    }

    pub fn number(&mut self) -> SpiResult<Option<f64>> {
        self.value()
    }

    pub fn bytes(&mut self) -> SpiResult<Option<Vec<u8>>> {
        self.value()
    }

    pub fn instant(&mut self) -> SpiResult<Option<DateTime<Utc>>> {
        Ok(self.value()?.map(instant))
    }

    pub fn instants(&mut self) -> SpiResult<Vec<DateTime<Utc>>> {
        let stamps = self.value::<Vec<Option<TimestampWithTimeZone>>>()?.unwrap_or_default();
        Ok(stamps.into_iter().flatten().map(instant).collect())
    }

    pub fn uuid(&mut self) -> SpiResult<Option<Uuid>> {
        Ok(self.value::<pgrx::Uuid>()?.map(|id| Uuid::from_bytes(*id.as_bytes())))
    }

    /// A content or source hash; one of another length is of another version.
    pub fn hash<const N: usize>(&mut self) -> SpiResult<Option<[u8; N]>> {
        Ok(self.value::<&[u8]>()?.and_then(|bytes| bytes.try_into().ok()))
    }

    /// A jsonb column that the statement gives as text; NULL, and what can't be read, is the default.
    pub fn json<T: serde::de::DeserializeOwned + Default>(&mut self) -> SpiResult<T> {
        Ok(self.text()?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }
}
