//! Reading a struct that another version wrote.
//!
//! Every struct that can grow begins with its size. Who reads it copies as much as both sides know into a struct of zeros: what
//! the other side does not have is zero, which always means "not there"; what this side does not know is not looked at.

use std::mem::MaybeUninit;

/// A struct that begins with its size and grows at its end.
///
/// # Safety
/// It must be `repr(C)`, its first field must be `struct_size: u32`, and all zeros must be a valid value of every field.
pub unsafe trait Prefixed: Copy {
    /// A struct of zeros that knows its size: where to begin when filling one.
    #[must_use]
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
pub unsafe fn read_prefix<T: Prefixed>(given: *const T) -> Option<T> {
    if given.is_null() {
        return None;
    }
    // SAFETY: not null, and the first field is a `u32`.
    let size = unsafe { given.cast::<u32>().read() } as usize;
    if size < 8 || !size.is_multiple_of(4) {
        return None;
    }
    let mut own = MaybeUninit::<T>::zeroed();
    // SAFETY: `size` bytes are readable, no more than `T` has are written, and zeros are valid where nothing is written.
    unsafe {
        let to = own.as_mut_ptr().cast::<u8>();
        std::ptr::copy_nonoverlapping(given.cast::<u8>(), to, size.min(size_of::<T>()));
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
        unsafe impl $crate::abi_1_0::Prefixed for $name {}
        const _: () = assert!(std::mem::offset_of!($name, struct_size) == 0);
        // The end is no padding that a later field could slip into.
        const _: () = assert!(size_of::<$name>() % 8 == 0 || size_of::<usize>() != 8);
    )*};
}
pub(super) use prefixed;
