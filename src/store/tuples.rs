//! Row descriptors, which PostgreSQL 18 laid out anew.

use pgrx::pg_sys;

/// An attribute of a row descriptor, counted from 0.
///
/// # Safety
/// `descriptor` is valid and has more than `place` attributes.
pub unsafe fn attribute_form<'a>(descriptor: pg_sys::TupleDesc, place: usize) -> &'a pg_sys::FormData_pg_attribute {
    // SAFETY: the caller's.
    unsafe {
        #[cfg(not(feature = "pg18"))]
        {
            &*(*descriptor).attrs.as_ptr().add(place)
        }
        #[cfg(feature = "pg18")]
        {
            &*pg_sys::TupleDescAttr(descriptor, place as i32)
        }
    }
}

/// The attribute of that name, counted from 0; not one that was dropped.
///
/// # Safety
/// `descriptor` is valid.
pub unsafe fn attribute_named(descriptor: pg_sys::TupleDesc, name: &str) -> Option<usize> {
    // SAFETY: the caller's.
    unsafe {
        (0..(*descriptor).natts as usize).find(|place| {
            let attribute = attribute_form(descriptor, *place);
            !attribute.attisdropped && pgrx::name_data_to_str(&attribute.attname) == name
        })
    }
}
