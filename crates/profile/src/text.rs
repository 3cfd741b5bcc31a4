use std::collections::HashMap;

use serde::Serialize;
use shadowline_features::is_missing;

/// The categories of a column of text that a profile names; the others are counted together.
const MAX_CATEGORIES: usize = 50;

/// Figures of a column of text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TextProfile {
    /// The different values, missing ones left out.
    pub n_categories: usize,
    /// The most frequent ones with their counts, at most 50, ordered by count and then by name.
    pub categories: Vec<(String, usize)>,
    /// The rows of all other categories together.
    pub n_others: usize,
}

impl TextProfile {
    /// Counts the categories of a column.
    pub fn of(texts: &[String]) -> Self {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for text in texts.iter().filter(|it| !is_missing(it)) {
            *counts.entry(text).or_default() += 1;
        }
        let n_categories = counts.len();
        let mut categories: Vec<(String, usize)> =
            counts.into_iter().map(|(text, count)| (text.to_owned(), count)).collect();
        categories.sort_by(|(a, n_a), (b, n_b)| n_b.cmp(n_a).then_with(|| a.cmp(b)));
        let others = categories.split_off(categories.len().min(MAX_CATEGORIES));
        let n_others = others.iter().map(|(_, count)| count).sum();
        Self { n_categories, categories, n_others }
    }

    /// The rows with a category.
    pub fn n_rows(&self) -> usize {
        self.categories.iter().map(|(_, count)| count).sum::<usize>() + self.n_others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_categories_are_counted_together() {
        let mut texts: Vec<String> = (0..60).map(|it| format!("c{it:02}")).collect();
        texts.push("c59".to_owned());
        let profile = TextProfile::of(&texts);
        assert_eq!(
            (profile.n_categories, profile.categories.len(), profile.n_others),
            (60, 50, 10)
        );
        assert_eq!(profile.categories[0], ("c59".to_owned(), 2));
        assert_eq!(profile.n_rows(), 61);
    }
}
