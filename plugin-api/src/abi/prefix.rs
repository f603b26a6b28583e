//! Reading a struct that another version wrote.
//!
//! Every struct that can grow begins with its size. Who reads it copies as much as both sides know into a struct of
//! zeros: what the other side does not have is zero, which always means "not there"; what this side does not know is
//! not looked at.

use std::mem::MaybeUninit;

/// A struct that begins with its size and grows at its end.
///
/// # Safety
/// It must be `repr(C)`, its first field must be `struct_size: u32`, and all zeros must be a valid value of every field.
pub unsafe trait Prefixed: Copy {
    /// A struct of zeros that knows its size: where to begin when filling one.
    #[must_use]
    #[inline]
    fn blank() -> Self {
        let mut blank = MaybeUninit::<Self>::zeroed();
        // SAFETY: the trait's rules: the first field is a `u32`, and zeros are valid.
        unsafe {
            blank.as_mut_ptr().cast::<u32>().write(size_of::<Self>() as u32);
            blank.assume_init()
        }
    }
}

/// Copies what both sides know of `given` into a struct of zeros. `struct_size` stays what the other side said.
///
/// `None` when `given` is null, or when its size is none that a version can have: less than 8, or no multiple of 4.
///
/// # Safety
/// Unless it is null, `given` must be aligned and as many bytes as its first field says must be readable there.
#[must_use]
#[inline]
pub unsafe fn read_prefix<T: Prefixed>(given: *const T) -> Option<T> {
    if given.is_null() {
        return None;
    }
    // SAFETY: not null, and the first field is a `u32`.
    let size = unsafe { given.cast::<u32>().read() } as usize;
    if size < 8 || !size.is_multiple_of(4) {
        return None;
    }
    if size >= size_of::<T>() {
        // SAFETY: aligned, and all of it is readable. A copy of a known length, of which only what is used is made.
        return Some(unsafe { given.read() });
    }
    let mut own = MaybeUninit::<T>::zeroed();
    // SAFETY: `size` bytes are readable, which is less than `T` has, and zeros are valid where nothing is written.
    unsafe {
        let to = own.as_mut_ptr().cast::<u8>();
        std::ptr::copy_nonoverlapping(given.cast::<u8>(), to, size);
        Some(own.assume_init())
    }
}

/// The structs that a list of pointers leads to. One that cannot be read is blank.
///
/// # Safety
/// Unless `items` is null, `len` pointers must be readable there for as long as `'a`, and each as [`read_prefix`] says.
pub unsafe fn pointed_at<'a, T: Prefixed + 'a>(
    items: *const *const T,
    len: usize,
) -> impl ExactSizeIterator<Item = T> + 'a {
    // SAFETY: the caller vouches for the list.
    let items: &'a [*const T] = unsafe { super::basic::list(items, len) };
    // SAFETY: and for what it points to.
    items
        .iter()
        .map(|item| unsafe { read_prefix(*item) }.unwrap_or_else(T::blank))
}

/// Says of each type that it follows the rules of [`Prefixed`].
macro_rules! prefixed {
    ($($name:ident),* $(,)?) => {$(
        // SAFETY: `repr(C)`, `struct_size` is first, and the rest is integers, raw pointers and optional functions.
        unsafe impl $crate::abi::Prefixed for $name {}
        const _: () = assert!(std::mem::offset_of!($name, struct_size) == 0);
        // The end is no padding that a later field could slip into.
        const _: () = assert!(size_of::<$name>() % 8 == 0 || size_of::<usize>() != 8);
    )*};
}
pub(super) use prefixed;

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct First {
        struct_size: u32,
        a: u32,
    }
    #[repr(C)]
    #[derive(Clone, Copy, Debug)]
    struct Later {
        struct_size: u32,
        a: u32,
        b: u64,
        call: Option<extern "C" fn()>,
    }
    prefixed!(First, Later);

    #[test]
    fn what_an_older_side_does_not_have_is_zero() {
        let first = First {
            a: 7,
            ..First::blank()
        };
        // SAFETY: it says 8 and has 8 bytes.
        let read = unsafe { read_prefix((&raw const first).cast::<Later>()) }.unwrap();
        assert_eq!((read.struct_size, read.a, read.b), (8, 7, 0));
        assert!(read.call.is_none());
    }

    #[test]
    fn what_a_newer_side_has_is_not_looked_at() {
        let later = Later {
            a: 7,
            b: u64::MAX,
            ..Later::blank()
        };
        // SAFETY: it says what it has.
        let read = unsafe { read_prefix((&raw const later).cast::<First>()) }.unwrap();
        assert_eq!((read.struct_size, read.a), (size_of::<Later>() as u32, 7));
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        for size in [0, 1, 4, 7, 9, 13] {
            let wrong = Later {
                struct_size: size,
                ..Later::blank()
            };
            // SAFETY: no more is read than `Later` has.
            assert!(unsafe { read_prefix(&raw const wrong) }.is_none(), "{size}");
        }
        // SAFETY: null is answered without a look.
        assert!(unsafe { read_prefix(std::ptr::null::<Later>()) }.is_none());
    }

    #[test]
    fn every_cut_of_a_struct_is_read_within_its_bytes() {
        for size in (8..=size_of::<Later>()).step_by(4) {
            // A heap block of exactly that size: reading beyond it is seen by valgrind and miri.
            let mut block = vec![0_u64; size.div_ceil(8)];
            let at = block.as_mut_ptr().cast::<u32>();
            // SAFETY: the block has room for a `u32`.
            unsafe { at.write(size as u32) };
            // SAFETY: the block has `size` bytes.
            let read = unsafe { read_prefix(at.cast::<Later>().cast_const()) }.unwrap();
            assert_eq!((read.struct_size, read.b), (size as u32, 0));
        }
    }
}
