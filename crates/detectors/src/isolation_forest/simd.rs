//! The walk through complete trees by AVX-512: 16 trees to a vector. Its portable twin is
//! [`Complete::add_paths`]; both give the same bits.
//!
//! This is the one module with `unsafe` code. It is used for three things, each in a function of its own that
//! is sound for all arguments:
//! - to call functions that need AVX-512, which only an [`Avx512`] does, and it exists only if the processor
//!   has it;
//! - to load 16 numbers from an array of 16 (`load`, `load_features`, `add`);
//! - to gather numbers from a slice by 16 indices, each of which is first lowered to the last that is in bounds
//!   (`gather_cuts`, `gather_leaves`, `gather_values`, `gather_lengths`).

#![expect(unsafe_code, reason = "vector loads and gathers take pointers; see above")]

use std::arch::x86_64::{
    __m512, __m512d, __m512i, __mmask16, _CMP_LT_OQ, _CMP_UNORD_Q, _mm512_add_epi32, _mm512_add_pd,
    _mm512_and_si512, _mm512_castpd_ps, _mm512_castpd_si512, _mm512_castsi512_si256,
    _mm512_cmp_ps_mask, _mm512_extracti64x4_epi64, _mm512_i32gather_epi32, _mm512_i32gather_pd,
    _mm512_i32gather_ps, _mm512_loadu_pd, _mm512_loadu_ps, _mm512_loadu_si512,
    _mm512_mask_add_epi32, _mm512_mask_blend_epi32, _mm512_mask_blend_ps, _mm512_mask_srli_epi32,
    _mm512_min_epu32, _mm512_or_si512, _mm512_permutex2var_epi32, _mm512_permutex2var_ps,
    _mm512_permutexvar_ps, _mm512_set1_epi32, _mm512_setr_epi32, _mm512_setzero_pd,
    _mm512_slli_epi32, _mm512_storeu_pd, _mm512_sub_epi32, _mm512_test_epi32_mask,
};

use super::{
    LANES,
    complete::{Complete, Cuts, Group, Leaves, MISSING_GOES_RIGHT, N_TOP},
};

/// The groups of trees that one record walks at a time, and the records that walk one group at a time, so that
/// one waits for memory while another computes.
const N_SIDE_BY_SIDE: usize = 4;

/// The knowledge that this processor has AVX-512 F, BW and VL.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx512(());

impl Avx512 {
    /// Asks the processor.
    pub(super) fn detect() -> Option<Self> {
        let there = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl");
        there.then_some(Self(()))
    }

    /// As [`Complete::add_paths`].
    pub(super) fn add_paths<const MISSING: bool>(
        self,
        complete: &Complete,
        block: &[f32],
        width: usize,
        sums: &mut [[f64; LANES]],
    ) {
        // SAFETY: `self` exists only if the processor has the features these functions are compiled for.
        unsafe {
            match width {
                16 => add_paths::<MISSING, 16>(complete, block, width, sums),
                32 => add_paths::<MISSING, 32>(complete, block, width, sums),
                _ => add_paths::<MISSING, 0>(complete, block, width, sums),
            }
        }
    }
}

/// A record: in registers if it has 16 or 32 features, else in memory.
#[derive(Clone, Copy)]
struct Record<'a> {
    low: __m512,
    high: __m512,
    all: &'a [f32],
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn add_paths<const MISSING: bool, const WIDTH: usize>(
    complete: &Complete,
    block: &[f32],
    width: usize,
    sums: &mut [[f64; LANES]],
) {
    if let [lanes] = sums {
        let record = record_of::<WIDTH>(block);
        let n_groups = complete.n_groups();
        let mut start = 0;
        while start < n_groups {
            match n_groups - start {
                1 => one_record::<1, MISSING, WIDTH>(complete, start, record, lanes),
                2 => one_record::<2, MISSING, WIDTH>(complete, start, record, lanes),
                3 => one_record::<3, MISSING, WIDTH>(complete, start, record, lanes),
                _ => one_record::<4, MISSING, WIDTH>(complete, start, record, lanes),
            }
            start += N_SIDE_BY_SIDE;
        }
        return;
    }
    for group_idx in 0..complete.n_groups() {
        let group = complete.group(group_idx);
        let parts = block.chunks(N_SIDE_BY_SIDE * width);
        for (records, sums) in parts.zip(sums.chunks_mut(N_SIDE_BY_SIDE)) {
            match sums.len() {
                1 => one_group::<1, MISSING, WIDTH>(group, records, width, sums),
                2 => one_group::<2, MISSING, WIDTH>(group, records, width, sums),
                3 => one_group::<3, MISSING, WIDTH>(group, records, width, sums),
                _ => one_group::<4, MISSING, WIDTH>(group, records, width, sums),
            }
        }
    }
}

/// Adds the path lengths of a record in `N` groups of trees.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn one_record<const N: usize, const MISSING: bool, const WIDTH: usize>(
    complete: &Complete,
    first_group: usize,
    record: Record<'_>,
    lanes: &mut [f64; LANES],
) {
    let mut groups = [complete.group(first_group); N];
    for (walker, group) in groups.iter_mut().enumerate().skip(1) {
        *group = complete.group(first_group + walker);
    }
    for lengths in walk::<N, MISSING, WIDTH>(groups, [record; N]) {
        add(lanes, lengths);
    }
}

/// Adds the path lengths of `N` records in a group of trees.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn one_group<const N: usize, const MISSING: bool, const WIDTH: usize>(
    group: Group<'_>,
    block: &[f32],
    width: usize,
    sums: &mut [[f64; LANES]],
) {
    let mut records = [record_of::<WIDTH>(&block[..width]); N];
    for walker in 1..N {
        records[walker] = record_of::<WIDTH>(&block[walker * width..(walker + 1) * width]);
    }
    let lengths = walk::<N, MISSING, WIDTH>([group; N], records);
    for walker in 0..N {
        add(&mut sums[walker], lengths[walker]);
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn record_of<const WIDTH: usize>(all: &[f32]) -> Record<'_> {
    let (parts, _) = all.as_chunks::<LANES>();
    let low = load(&parts[0]);
    let high = if WIDTH == 32 { load(&parts[1]) } else { low };
    Record { low, high, all }
}

/// The path lengths in `N` groups of trees of one depth, each walked by a record of its own.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn walk<const N: usize, const MISSING: bool, const WIDTH: usize>(
    groups: [Group<'_>; N],
    records: [Record<'_>; N],
) -> [[__m512d; 2]; N] {
    let depth = groups[0].depth;
    let mut at = [_mm512_set1_epi32(1); N];
    for walker in 0..N {
        let (group, record) = (groups[walker], records[walker]);
        // All nodes of the first levels are loaded, which is faster than to gather some.
        let mut went = [0; N_TOP as usize];
        let (threshold, feature) = top::<1>(group, went);
        went[0] = goes_right::<MISSING, WIDTH>(threshold, feature, record);
        let (threshold, feature) = top::<2>(group, went);
        went[1] = goes_right::<MISSING, WIDTH>(threshold, feature, record);
        let (threshold, feature) = top::<4>(group, went);
        went[2] = goes_right::<MISSING, WIDTH>(threshold, feature, record);
        let (threshold, feature) = top::<8>(group, went);
        went[3] = goes_right::<MISSING, WIDTH>(threshold, feature, record);
        for right in went {
            at[walker] = child(at[walker], right);
        }
    }
    for _ in N_TOP..depth - 1 {
        for walker in 0..N {
            let cuts = groups[walker].cuts;
            let (threshold, feature) = gather_cuts(cuts, place(at[walker], 1 << N_TOP));
            let right = goes_right::<MISSING, WIDTH>(threshold, feature, records[walker]);
            at[walker] = child(at[walker], right);
        }
    }
    let mut lengths = [[_mm512_setzero_pd(); 2]; N];
    for walker in 0..N {
        let group = groups[walker];
        let (threshold, feature) = gather_cuts(group.cuts, place(at[walker], 1 << N_TOP));
        let pair = gather_leaves(group.leaves, place(at[walker], 1 << (depth - 1)));
        let right = goes_right::<MISSING, WIDTH>(threshold, feature, records[walker]);
        let code = _mm512_mask_srli_epi32::<16>(pair, right, pair);
        let code = _mm512_and_si512(code, _mm512_set1_epi32(0xffff));
        lengths[walker] = gather_lengths(group.lengths, code);
    }
    lengths
}

/// Where the nodes of 16 trees lie in rows of 16, of which the first is of node `first`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn place(at: __m512i, first: i32) -> __m512i {
    let lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    _mm512_or_si512(_mm512_slli_epi32::<4>(_mm512_sub_epi32(at, _mm512_set1_epi32(first))), lane)
}

/// The nodes of a level of `N`, chosen by the sides taken on the levels above.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn top<const N: usize>(
    group: Group<'_>,
    went_right: [__mmask16; N_TOP as usize],
) -> (__m512, __m512i) {
    // Loops and no closures: a closure is compiled for these instructions, but its caller is not.
    let mut thresholds = [load(&group.top.thresholds[N]); N];
    let mut features = [load_features(&group.top.features[N]); N];
    for it in 1..N {
        thresholds[it] = load(&group.top.thresholds[N + it]);
        features[it] = load_features(&group.top.features[N + it]);
    }
    let mut n = N;
    let mut level = N.ilog2() as usize;
    while 1 < n {
        n /= 2;
        level -= 1;
        let right = went_right[level];
        for it in 0..n {
            let (left, other) = (2 * it, 2 * it + 1);
            thresholds[it] = _mm512_mask_blend_ps(right, thresholds[left], thresholds[other]);
            features[it] = _mm512_mask_blend_epi32(right, features[left], features[other]);
        }
    }
    (thresholds[0], features[0])
}

/// The trees in which a record goes right.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn goes_right<const MISSING: bool, const WIDTH: usize>(
    threshold: __m512,
    feature: __m512i,
    record: Record<'_>,
) -> __mmask16 {
    let value = match WIDTH {
        // These look only at the low 4 and 5 bits of a feature.
        16 => _mm512_permutexvar_ps(feature, record.low),
        32 => _mm512_permutex2var_ps(record.low, feature, record.high),
        _ => {
            let bits = (MISSING_GOES_RIGHT - 1).cast_signed();
            gather_values(record.all, _mm512_and_si512(feature, _mm512_set1_epi32(bits)))
        }
    };
    let above = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(threshold, value);
    if !MISSING {
        return above;
    }
    let missing = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(value, value);
    let flag = _mm512_set1_epi32(MISSING_GOES_RIGHT.cast_signed());
    above | (missing & _mm512_test_epi32_mask(feature, flag))
}

/// The children on the side taken.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn child(at: __m512i, right: __mmask16) -> __m512i {
    let left = _mm512_add_epi32(at, at);
    _mm512_mask_add_epi32(left, right, left, _mm512_set1_epi32(1))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn add(lanes: &mut [f64; LANES], lengths: [__m512d; 2]) {
    let pointer = lanes.as_mut_ptr();
    // SAFETY: both halves of the array are 8 numbers, and no alignment is asked for.
    unsafe {
        _mm512_storeu_pd(pointer, _mm512_add_pd(_mm512_loadu_pd(pointer), lengths[0]));
        let half = pointer.add(8);
        _mm512_storeu_pd(half, _mm512_add_pd(_mm512_loadu_pd(half), lengths[1]));
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn load(from: &[f32; LANES]) -> __m512 {
    // SAFETY: the array is 16 numbers, and no alignment is asked for.
    unsafe { _mm512_loadu_ps(from.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn load_features(from: &[u32; LANES]) -> __m512i {
    // SAFETY: the array is 16 numbers of 32 bits, and no alignment is asked for.
    unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
}

/// An index lowered to at most `last`, which is not negative as 32 bits with a sign.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn lowered(place: __m512i, last: usize) -> __m512i {
    let last = i32::try_from(last).unwrap_or(i32::MAX);
    _mm512_min_epu32(place, _mm512_set1_epi32(last))
}

/// The thresholds and the features of cuts.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn gather_cuts(from: &[Cuts], place: __m512i) -> (__m512, __m512i) {
    assert!(!from.is_empty());
    let place = lowered(place, LANES * from.len() - 1);
    let (low, high) = (_mm512_castsi512_si256(place), _mm512_extracti64x4_epi64::<1>(place));
    // SAFETY: `place` is from 0 to the last cut of the slice, which is not empty; a cut is 64 bits.
    let (low, high) = unsafe {
        let from = from.as_ptr().cast();
        (_mm512_i32gather_pd::<8>(low, from), _mm512_i32gather_pd::<8>(high, from))
    };
    let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    let odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    let thresholds = _mm512_permutex2var_ps(_mm512_castpd_ps(low), even, _mm512_castpd_ps(high));
    let (low, high) = (_mm512_castpd_si512(low), _mm512_castpd_si512(high));
    (thresholds, _mm512_permutex2var_epi32(low, odd, high))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn gather_leaves(from: &[Leaves], place: __m512i) -> __m512i {
    assert!(!from.is_empty());
    let place = lowered(place, LANES * from.len() - 1);
    // SAFETY: `place` is from 0 to the last number of the slice, which is not empty.
    unsafe { _mm512_i32gather_epi32::<4>(place, from.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn gather_values(from: &[f32], place: __m512i) -> __m512 {
    assert!(!from.is_empty());
    let place = lowered(place, from.len() - 1);
    // SAFETY: `place` is from 0 to the last number of the slice, which is not empty.
    unsafe { _mm512_i32gather_ps::<4>(place, from.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn gather_lengths(from: &[f64], place: __m512i) -> [__m512d; 2] {
    assert!(!from.is_empty());
    let place = lowered(place, from.len() - 1);
    let (low, high) = (_mm512_castsi512_si256(place), _mm512_extracti64x4_epi64::<1>(place));
    // SAFETY: `place` is from 0 to the last number of the slice, which is not empty.
    unsafe {
        [
            _mm512_i32gather_pd::<8>(low, from.as_ptr()),
            _mm512_i32gather_pd::<8>(high, from.as_ptr()),
        ]
    }
}
