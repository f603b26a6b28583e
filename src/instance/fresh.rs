//! Names that nobody has had: random letters and digits.

use super::names::NameError;

/// Small letters and digits.
const SMALL: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// All letters and digits.
const ALL: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// How many of them the id of an instance ends with.
const ID_LENGTH: usize = 11;

/// The country of an instance whose region says none.
const COUNTRY: &str = "cn";

/// A new id for an instance of this region: `mqtt-us-` and eleven more for `us-west-1`.
///
/// # Errors
/// The system gives no random numbers.
pub fn instance_id(region: &str) -> Result<String, NameError> {
    let country = region.split('-').next().unwrap_or_default();
    let is_country = country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_lowercase());
    let country = if is_country { country } else { COUNTRY };
    Ok(format!("mqtt-{country}-{}", of(SMALL, ID_LENGTH)?))
}

/// So many random letters and digits: nearly six bits each.
///
/// # Errors
/// The system gives no random numbers.
pub fn text(length: usize) -> Result<String, NameError> {
    of(ALL, length)
}

fn of(letters: &[u8], length: usize) -> Result<String, NameError> {
    // What is left over would make the first letters likelier than the others.
    let fair = 256 - 256 % letters.len().max(1);
    let mut made = String::with_capacity(length);
    let mut random = [0; 64];
    while made.len() < length {
        getrandom::fill(&mut random)
            .map_err(|_| NameError("the system gives no random numbers; look at its getrandom"))?;
        let fair = random.iter().map(|byte| usize::from(*byte)).filter(|n| *n < fair);
        let letters = fair.filter_map(|n| letters.get(n % letters.len()));
        made.extend(letters.map(|byte| char::from(*byte)).take(length - made.len()));
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_the_country_of_its_region_and_is_never_the_same() {
        for (region, begins) in [
            ("cn-hangzhou", "mqtt-cn-"),
            ("us-west-1", "mqtt-us-"),
            ("local", "mqtt-cn-"),
            ("EU-x", "mqtt-cn-"),
            ("", "mqtt-cn-"),
        ] {
            let (one, other) = (instance_id(region).unwrap(), instance_id(region).unwrap());
            assert!(one.starts_with(begins) && one.len() == begins.len() + 11, "{one}");
            assert!(super::super::names::instance(&one).is_ok());
            assert_ne!(one, other);
        }
    }

    #[test]
    fn all_letters_come_and_no_others() {
        let made = text(20_000).unwrap();
        assert_eq!(made.len(), 20_000);
        let mut seen: Vec<u8> = made.bytes().collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 62);
    }
}
