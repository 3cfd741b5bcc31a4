//! Numbers of more than 64 bits, and of fewer than 32.

use parquet::data_type::Int96;

/// Days from the beginning of the Julian calendar to 1970.
const JULIAN_1970: i128 = 2_440_588;

/// The value of a decimal, a big-endian two's complement number of hundredths or the like.
#[expect(clippy::cast_precision_loss, reason = "rounded to the nearest float")]
pub(crate) fn decimal(bytes: &[u8], scale: i32) -> f64 {
    let is_negative = bytes.first().is_some_and(|it| 0x80 <= *it);
    let sign: u8 = if is_negative { 0xff } else { 0 };
    let mut digits = bytes;
    // Bytes that only repeat the sign, as all decimals of 256 bits have that would fit into fewer.
    while let [first, rest @ ..] = digits
        && *first == sign
        && 16 < digits.len()
    {
        digits = rest;
    }
    let power = 10_f64.powi(scale);
    if digits.len() <= 16 {
        let mut wide = [sign; 16];
        wide[16 - digits.len()..].copy_from_slice(digits);
        return i128::from_be_bytes(wide) as f64 / power;
    }
    let start = if is_negative { -1.0 } else { 0.0 };
    digits.iter().fold(start, |sum, byte| sum * 256.0 + f64::from(*byte)) / power
}

/// Nanoseconds since the beginning of 1970 of a timestamp as Hive and Impala write it.
pub(crate) fn int96_nanos(value: &Int96) -> i128 {
    let [low, high, day] = value.data() else { return 0 };
    let of_day = (i128::from(*high) << 32) | i128::from(*low);
    (i128::from(*day) - JULIAN_1970) * 86_400_000_000_000 + of_day
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::*;

    #[test]
    fn decimals_of_every_width_have_their_value() {
        assert_eq!(decimal(&[0x07, 0xcf], 2), 19.99);
        assert_eq!(decimal(&(-5_i32).to_be_bytes(), 2), -0.05);
        let mut wide = [0xff; 32];
        wide[24..].copy_from_slice(&(-12_345_i64).to_be_bytes());
        assert_eq!(decimal(&wide, 2), -123.45);
        let mut large = [0; 32];
        large[0] = 0x10;
        assert_eq!(decimal(&large, 0), 2_f64.powi(252));
        assert_eq!(decimal(&[], 3), 0.0);
    }

    #[test]
    fn a_timestamp_of_96_bits_keeps_its_nanoseconds() {
        let mut value = Int96::new();
        value.set_data(1, 0, 2_440_589);
        assert_eq!(int96_nanos(&value), 86_400_000_000_001);
        value.set_data(0, 0, 2_440_587);
        assert_eq!(int96_nanos(&value), -86_400_000_000_000);
    }
}
