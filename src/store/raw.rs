//! Single values as PostgreSQL passes them around.

use std::cell::RefCell;
use std::collections::HashMap;

use pgrx::{IntoDatum, pg_sys};

use super::{datum, unbound};

/// A value, or `None` for NULL.
pub type Value = Option<pg_sys::Datum>;

/// How a type is stored.
#[derive(Debug, Clone, Copy)]
pub struct Storage {
    by_value: bool,
    /// Bytes; -1 for what carries its own length.
    length: i16,
}

impl Storage {
    pub fn of_attribute(attribute: &pg_sys::FormData_pg_attribute) -> Self {
        Self { by_value: attribute.attbyval, length: attribute.attlen }
    }

    /// A copy in the current memory context. A value that stands in a TOAST table stays there: only the pointer to it
    /// is copied.
    ///
    /// # Safety
    /// `value` is of a type of this storage and not NULL.
    pub unsafe fn copy(self, value: pg_sys::Datum) -> pg_sys::Datum {
        if self.by_value {
            return value;
        }
        // SAFETY: the caller's; a value by reference is at least as long as its type or its header says.
        unsafe {
            let from = value.cast_mut_ptr::<u8>();
            let length = match self.length {
                -1 => pgrx::varlena::varsize_any(from.cast()),
                -2 => std::ffi::CStr::from_ptr(from.cast()).count_bytes() + 1,
                length => length as usize,
            };
            let to = pg_sys::palloc(length).cast::<u8>();
            std::ptr::copy_nonoverlapping(from, to, length);
            pg_sys::Datum::from(to)
        }
    }

    /// Whether two values are the same to the bit (after detoasting).
    ///
    /// # Safety
    /// Both are of a type of this storage.
    pub unsafe fn same(self, left: Value, right: Value) -> bool {
        match (left, right) {
            (None, None) => true,
            // SAFETY: the caller's.
            (Some(left), Some(right)) => unsafe {
                unbound::datum_image_eq(left, right, self.by_value, i32::from(self.length))
            },
            _ => false,
        }
    }

    /// Hands out the value's bytes, detoasted.
    ///
    /// # Safety
    /// `value` is of a type of this storage and not NULL.
    pub unsafe fn with_bytes<T>(self, value: pg_sys::Datum, work: impl FnOnce(&[u8]) -> T) -> T {
        if self.by_value {
            return work(&value.value().to_ne_bytes());
        }
        // SAFETY: the caller's.
        unsafe {
            match self.length {
                -1 => {
                    let plain = pg_sys::pg_detoast_datum_packed(value.cast_mut_ptr());
                    work(pgrx::varlena::varlena_to_byte_slice(plain))
                }
                -2 => work(std::ffi::CStr::from_ptr(value.cast_mut_ptr()).to_bytes()),
                length => work(std::slice::from_raw_parts(value.cast_mut_ptr::<u8>(), length as usize)),
            }
        }
    }
}

/// A text in the current memory context.
pub fn text(text: &str) -> pg_sys::Datum {
    // SAFETY: copies the bytes.
    unsafe { pg_sys::Datum::from(pg_sys::cstring_to_text_with_len(text.as_ptr().cast(), text.len() as i32)) }
}

/// A text that lives as long as the backend; the same text is kept once.
pub fn kept_text(word: &str) -> pg_sys::Datum {
    thread_local! {
        static KEPT: RefCell<HashMap<String, pg_sys::Datum>> = RefCell::default();
    }
    KEPT.with_borrow_mut(|kept| {
        if let Some(known) = kept.get(word) {
            return *known;
        }
        // SAFETY: the context of the whole backend, put back at once.
        let made = unsafe {
            let before = pg_sys::MemoryContextSwitchTo(pg_sys::TopMemoryContext);
            let made = text(word);
            pg_sys::MemoryContextSwitchTo(before);
            made
        };
        kept.insert(word.to_owned(), made);
        made
    })
}

/// A UUID in the current memory context.
pub fn uuid(id: uuid::Uuid) -> Value {
    datum::uuid(id).into_datum()
}
