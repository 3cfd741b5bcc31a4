//! A run of panes in event time.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Accumulator;

/// The width of a pane, in whole microseconds and at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaneWidth(i64);

impl PaneWidth {
    /// Returns the width when a window is cut into `n_panes`.
    ///
    /// What is left over by the division shortens the window: by less than a microsecond for each pane.
    pub fn of(window: Duration, n_panes: u32) -> Self {
        let window_us = i64::try_from(window.as_micros()).unwrap_or(i64::MAX);
        Self((window_us / i64::from(n_panes.max(1))).max(1))
    }

    /// Returns the number of the pane that an event time belongs to. Panes are counted from 1970 on and are aligned
    /// to it, so everybody who uses the same width means the same pane by the same number.
    pub fn idx(self, at: Timestamp) -> i64 {
        at.as_microsecond().div_euclid(self.0)
    }
}

/// The newest panes of event time, oldest first; panes in which nothing was seen are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Panes<A> {
    panes: VecDeque<Pane<A>>,
}

/// One pane. Its number stands beside the fields of what it holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Pane<A> {
    idx: i64,
    #[serde(flatten)]
    held: A,
}

impl<A> Default for Panes<A> {
    fn default() -> Self {
        Self { panes: VecDeque::new() }
    }
}

impl<A: Accumulator> Panes<A> {
    /// Returns the pane of that number, to be added to, and drops those that are now `n_panes` or more behind the
    /// newest; `None` if the pane itself is.
    pub fn pane(&mut self, idx: i64, n_panes: u32) -> Option<&mut A> {
        let newest = self.panes.back().map_or(idx, |it| it.idx.max(idx));
        if idx <= newest.saturating_sub(i64::from(n_panes)) {
            return None;
        }
        self.advance(newest, n_panes);
        // Events come nearly in order, so the place is at or near the end.
        let place = match self.panes.iter().rposition(|it| it.idx <= idx) {
            Some(found) if self.panes[found].idx == idx => found,
            before => {
                let place = before.map_or(0, |it| it + 1);
                self.panes.insert(place, Pane { idx, held: A::default() });
                place
            }
        };
        Some(&mut self.panes[place].held)
    }

    /// Drops the panes that are `n_panes` or more behind that number.
    pub fn advance(&mut self, idx: i64, n_panes: u32) {
        let outside = idx.saturating_sub(i64::from(n_panes));
        while self.panes.front().is_some_and(|it| it.idx <= outside) {
            self.panes.pop_front();
        }
    }

    /// Returns whether there is no pane.
    pub fn is_empty(&self) -> bool {
        self.panes.is_empty()
    }

    /// Takes over what other panes of the same width have seen of the newest `n_panes`.
    pub fn merge(&mut self, other: &Self, n_panes: u32) {
        for pane in &other.panes {
            if let Some(held) = self.pane(pane.idx, n_panes) {
                held.merge(&pane.held);
            }
        }
    }

    /// Returns all panes merged, oldest first.
    pub fn total(&self) -> A {
        let mut total = A::default();
        for pane in &self.panes {
            total.merge(&pane.held);
        }
        total
    }

    /// Returns the number of each pane and what it holds, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &A)> {
        self.panes.iter().map(|it| (it.idx, &it.held))
    }
}
