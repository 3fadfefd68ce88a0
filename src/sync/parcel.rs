//! Bytes for another process, and its receipt, in a segment of dynamic shared memory.
//!
//! The segment is there as long as one of the two holds it; the end of either's transaction or process lets go of it.

use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};

use pgrx::pg_sys;

/// A segment's beginning; the bytes follow.
#[repr(C)]
struct Head {
    length: u64,
    /// Not zero: what the bytes ask for was done.
    receipt: AtomicU64,
}

/// A segment, attached until it is dropped.
pub struct Parcel {
    segment: NonNull<pg_sys::dsm_segment>,
}

impl Parcel {
    /// A copy of the bytes; `None` where the server has no segment left.
    pub fn pack(bytes: &[u8]) -> Option<Self> {
        let size = size_of::<Head>() + bytes.len();
        // SAFETY: `None` or a new segment of that size.
        let segment = unsafe { pg_sys::dsm_create(size, pg_sys::DSM_CREATE_NULL_IF_MAXSEGMENTS as i32) };
        let parcel = Self { segment: NonNull::new(segment)? };
        let head = parcel.head();
        // SAFETY: a segment begins at the start of a page, has room for both, and nobody else knows it yet.
        unsafe {
            head.write(Head { length: bytes.len() as u64, receipt: AtomicU64::new(0) });
            head.add(1).cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        Some(parcel)
    }

    /// The one of that number; `None` where whoever has packed it has gone.
    pub fn open(number: u32) -> Option<Self> {
        // SAFETY: `None` or the segment, which this process has not attached yet.
        let segment = unsafe { pg_sys::dsm_attach(number) };
        Some(Self { segment: NonNull::new(segment)? })
    }

    /// By which another process opens it.
    pub fn number(&self) -> u32 {
        // SAFETY: attached until it is dropped.
        unsafe { pg_sys::dsm_segment_handle(self.segment.as_ptr()) }
    }

    /// What was packed.
    pub fn bytes(&self) -> &[u8] {
        let head = self.head();
        // SAFETY: as `pack` has written it, before anybody else knew the segment; nobody writes there since.
        unsafe { slice::from_raw_parts(head.add(1).cast(), (*head).length as usize) }
    }

    /// Tells whoever packed it that what the bytes ask for was done.
    pub fn give_receipt(&self) {
        self.receipt().store(1, Ordering::Release);
    }

    /// Whether it was.
    pub fn has_receipt(&self) -> bool {
        self.receipt().load(Ordering::Acquire) != 0
    }

    fn receipt(&self) -> &AtomicU64 {
        // SAFETY: as `pack` has written it; attached until it is dropped.
        unsafe { &(*self.head()).receipt }
    }

    fn head(&self) -> *mut Head {
        // SAFETY: attached until it is dropped.
        unsafe { pg_sys::dsm_segment_address(self.segment.as_ptr()) }.cast()
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        // SAFETY: attached, and never used after this. The resource owner that would let go of it at the end lives longer.
        unsafe { pg_sys::dsm_detach(self.segment.as_ptr()) }
    }
}
