//! Panics: none may leave a function that the host calls.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs what is the plugin's; when it panics, what the panic said. The panic hook has told the log by then.
pub(super) fn caught<R>(run: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let said = words(&*panic).to_owned();
        // What was thrown is the plugin's too, and may panic when it is dropped. What that throws is left alone.
        if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
            std::mem::forget(again);
        }
        said
    })
}

/// What a panic said.
pub(super) fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without words")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_kept_with_its_words() {
        assert_eq!(caught(|| 1), Ok(1));
        assert_eq!(caught(|| panic!("plain")), Err::<(), _>("plain".to_owned()));
        let number = 7;
        assert_eq!(caught(|| panic!("{number}")), Err::<(), _>("7".to_owned()));
    }

    #[test]
    fn what_was_thrown_may_panic_as_well() {
        struct Twice;
        impl Drop for Twice {
            fn drop(&mut self) {
                std::panic::panic_any(Once);
            }
        }
        struct Once;
        impl Drop for Once {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        let said = caught(|| std::panic::panic_any(Twice));
        assert_eq!(said, Err::<(), _>("without words".to_owned()));
    }
}
