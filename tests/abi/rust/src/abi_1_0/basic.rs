//! The small pieces that everything else is made of. They have no size field: they never grow.

/// Bytes that somebody else owns. Good for the call in which they are seen, never longer.
///
/// A null `ptr` says that there is no value; a `ptr` with a `len` of 0 says that there is an empty one.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Slice {
    /// The first byte, or null when there is no value.
    pub ptr: *const u8,
    /// How many bytes.
    pub len: usize,
}

/// A list of slices, such as topic filters. A null `items` is an empty list.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct SliceList {
    /// The first of them.
    pub items: *const Slice,
    /// How many.
    pub len: usize,
}

/// A name and a value, such as a User Property or a label of a metric.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Pair {
    /// The name, in UTF-8.
    pub name: Slice,
    /// The value, in UTF-8.
    pub value: Slice,
}

/// A list of pairs. A null `items` is an empty list.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct PairList {
    /// The first of them.
    pub items: *const Pair,
    /// How many.
    pub len: usize,
}

/// A whole number that may be missing. All zeros is a missing one.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptInt {
    /// 1 when there is a value, 0 when there is none. Anything else is an error.
    pub present: u32,
    /// Zero.
    pub reserved: u32,
    /// The value; for a yes or no 1 or 0.
    pub value: i64,
}

/// A number with fractions that may be missing. All zeros is a missing one.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OptNum {
    /// 1 when there is a value, 0 when there is none. Anything else is an error.
    pub present: u32,
    /// Zero.
    pub reserved: u32,
    /// The value.
    pub value: f64,
}

/// Memory that the caller owns and the called side fills.
///
/// The called side writes at most `capacity` bytes and sets `length` to how many there are in all. When `length` is more
/// than `capacity`, what does not fit was left out, and the caller may come again with more room.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Buffer {
    /// Where to write; may be null when `capacity` is 0.
    pub ptr: *mut u8,
    /// How many bytes may be written.
    pub capacity: usize,
    /// How many bytes there are in all. Set by the called side.
    pub length: usize,
}

impl Slice {
    /// No value.
    pub const NONE: Slice = Slice {
        ptr: std::ptr::null(),
        len: 0,
    };

    /// These bytes. An empty one is a value too.
    #[must_use]
    pub const fn of(bytes: &[u8]) -> Slice {
        Slice {
            ptr: bytes.as_ptr(),
            len: bytes.len(),
        }
    }

    /// This text.
    #[must_use]
    pub const fn text(text: &str) -> Slice {
        Slice::of(text.as_bytes())
    }

    /// The bytes, or `None` when there is no value.
    ///
    /// # Safety
    /// Unless `ptr` is null, `len` bytes must be readable there for as long as `'a`, and nobody may write to them.
    #[must_use]
    pub const unsafe fn bytes<'a>(self) -> Option<&'a [u8]> {
        if self.ptr.is_null() || self.len > isize::MAX as usize {
            return None;
        }
        // SAFETY: not null, and the caller vouches for the bytes.
        Some(unsafe { std::slice::from_raw_parts(self.ptr, self.len) })
    }

    /// Whether there is a value.
    #[must_use]
    pub const fn is_some(self) -> bool {
        !self.ptr.is_null()
    }
}

impl Default for Slice {
    fn default() -> Self {
        Slice::NONE
    }
}

impl SliceList {
    /// These slices.
    #[must_use]
    pub const fn of(items: &[Slice]) -> SliceList {
        SliceList {
            items: items.as_ptr(),
            len: items.len(),
        }
    }

    /// The slices.
    ///
    /// # Safety
    /// Unless `items` is null, `len` slices must be readable there for as long as `'a`.
    #[must_use]
    pub const unsafe fn items<'a>(self) -> &'a [Slice] {
        // SAFETY: the caller vouches for the list.
        unsafe { list(self.items, self.len) }
    }
}

impl PairList {
    /// These pairs.
    #[must_use]
    pub const fn of(items: &[Pair]) -> PairList {
        PairList {
            items: items.as_ptr(),
            len: items.len(),
        }
    }

    /// The pairs.
    ///
    /// # Safety
    /// Unless `items` is null, `len` pairs must be readable there for as long as `'a`.
    #[must_use]
    pub const unsafe fn items<'a>(self) -> &'a [Pair] {
        // SAFETY: the caller vouches for the list.
        unsafe { list(self.items, self.len) }
    }
}

impl OptInt {
    /// No value.
    pub const NONE: OptInt = OptInt {
        present: 0,
        reserved: 0,
        value: 0,
    };

    /// This value.
    #[must_use]
    pub const fn some(value: i64) -> OptInt {
        OptInt {
            present: 1,
            reserved: 0,
            value,
        }
    }

    /// The value, if there is one. Whether `present` is a number that it may be is the reader's to check.
    #[must_use]
    pub const fn get(self) -> Option<i64> {
        if self.present == 0 { None } else { Some(self.value) }
    }
}

impl OptNum {
    /// No value.
    pub const NONE: OptNum = OptNum {
        present: 0,
        reserved: 0,
        value: 0.0,
    };

    /// This value.
    #[must_use]
    pub const fn some(value: f64) -> OptNum {
        OptNum {
            present: 1,
            reserved: 0,
            value,
        }
    }

    /// The value, if there is one.
    #[must_use]
    pub const fn get(self) -> Option<f64> {
        if self.present == 0 { None } else { Some(self.value) }
    }
}

impl<T: Into<i64>> From<Option<T>> for OptInt {
    fn from(value: Option<T>) -> Self {
        value.map_or(OptInt::NONE, |value| OptInt::some(value.into()))
    }
}

impl From<Option<f64>> for OptNum {
    fn from(value: Option<f64>) -> Self {
        value.map_or(OptNum::NONE, OptNum::some)
    }
}

impl Buffer {
    /// Room in `memory`.
    #[must_use]
    pub const fn in_memory(memory: &mut [u8]) -> Buffer {
        Buffer {
            ptr: memory.as_mut_ptr(),
            capacity: memory.len(),
            length: 0,
        }
    }

    /// Writes as much of `bytes` as there is room for, and says in `length` how many there are.
    ///
    /// # Safety
    /// `capacity` bytes must be writable at `ptr`, and nobody else may use them meanwhile.
    pub const unsafe fn fill(&mut self, bytes: &[u8]) {
        self.length = bytes.len();
        let room = if bytes.len() < self.capacity {
            bytes.len()
        } else {
            self.capacity
        };
        if room > 0 && !self.ptr.is_null() {
            // SAFETY: `room` is within both, and what is read was not given to write to.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.ptr, room) };
        }
    }
}

/// # Safety
/// Unless `items` is null, `len` of them must be readable there for as long as `'a`.
pub(super) const unsafe fn list<'a, T>(items: *const T, len: usize) -> &'a [T] {
    if items.is_null() || len > isize::MAX as usize / size_of::<T>() {
        return &[];
    }
    // SAFETY: not null, not beyond the address space, and the caller vouches for the items.
    unsafe { std::slice::from_raw_parts(items, len) }
}
