//! Which partition a key belongs to.

/// The partition of a key among `n_partitions`, the same as Java's producers choose.
///
/// # Panics
/// If there are no partitions.
///
/// Source: murmur2 with Kafka's seed, `org.apache.kafka.common.utils.Utils`.
pub fn partition_for(key: &[u8], n_partitions: u32) -> u32 {
    assert!(n_partitions > 0, "a topic has at least one partition");
    (murmur2(key) & 0x7fff_ffff) % n_partitions
}

fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    // Java counts in 32 bits; a longer key than that does not fit in a record.
    let len = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut hash = SEED ^ len;
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        for (byte_idx, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * byte_idx);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers of Kafka's own `UtilsTest.testMurmur2`.
    #[test]
    fn hashes_as_java_does() {
        let check = |key: &str, expected: i32| {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), expected, "{key}");
        };
        check("21", -973_932_308);
        check("foobar", -790_332_482);
        check("a-little-bit-long-string", -985_981_536);
        check("a-little-bit-longer-string", -1_486_304_829);
        check("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971);
        check("abc", 479_470_107);
    }

    #[test]
    fn a_negative_hash_loses_its_sign_only() {
        assert_eq!(partition_for(b"21", 6), (0x7fff_ffff & (-973_932_308_i32).cast_unsigned()) % 6);
        assert_eq!(partition_for(b"", 1), 0);
    }
}
