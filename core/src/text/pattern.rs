//! Separators, and what Python's `re.split` does with them.

use std::borrow::Cow;

use fancy_regex::{Regex, RegexBuilder};

use super::merge::Piece;
use super::python_regex::translate;
use super::settings::{KeepSeparator, Settings};
use crate::{Error, Result};

/// How often a search may backtrack. Each position that a look-behind is tried at counts too, so this must be
/// well above the length of any text.
const BACKTRACK_LIMIT: usize = 1_000_000_000;

/// A separator, ready to split with.
#[derive(Debug, Clone)]
pub(super) enum Separator {
    /// The empty one: every character is a piece.
    Characters,
    Literal(String),
    Regex(Box<Pattern>),
}

/// A Python regular expression.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    regex: Regex,
    /// The same, but not matching nothing at the very place where the search begins. Python searches with it
    /// after an empty match.
    advancing: Regex,
    /// How many groups Python's `re.split` would return with each match.
    groups: usize,
}

impl Separator {
    pub(super) fn new(separator: &str, settings: &Settings) -> Result<Self> {
        if separator.is_empty() {
            Ok(Separator::Characters)
        } else if settings.is_separator_regex {
            let kept = settings.keep_separator != KeepSeparator::No;
            Pattern::new(separator, kept).map(|pattern| Separator::Regex(Box::new(pattern)))
        } else {
            Ok(Separator::Literal(separator.to_owned()))
        }
    }

    pub(super) fn is_every_character(&self) -> bool {
        matches!(self, Separator::Characters)
    }

    /// Whether it occurs in a text.
    pub(super) fn is_in(&self, text: &str) -> Result<bool> {
        match self {
            Separator::Characters => Ok(true),
            Separator::Literal(literal) => Ok(text.contains(literal.as_str())),
            Separator::Regex(pattern) => pattern.regex.is_match(text).map_err(gave_up),
        }
    }

    /// The pieces of a text that are not empty.
    pub(super) fn split<'t>(&self, text: &'t str, settings: &Settings) -> Result<Vec<Piece<'t>>> {
        let mut pieces = Pieces { settings, found: Vec::new() };
        match self {
            Separator::Characters => {
                let mut rest = text;
                while let Some(c) = rest.chars().next() {
                    let (character, after) = rest.split_at(c.len_utf8());
                    pieces.add(Cow::Borrowed(character));
                    rest = after;
                }
            }
            Separator::Literal(literal) => {
                let matches = text.match_indices(literal.as_str()).map(|(at, found)| (at, at + found.len()));
                pieces.add_between(text, matches);
            }
            // One group is the separator itself, which Python puts in a group to keep it.
            Separator::Regex(pattern) => match (settings.keep_separator, pattern.groups) {
                (KeepSeparator::No, 0) | (KeepSeparator::Start | KeepSeparator::End, 1) => {
                    pieces.add_between(text, pattern.matches(text)?.into_iter());
                }
                _ => pieces.add_with_groups(&pattern.split_with_groups(text)?)?,
            },
        }
        Ok(pieces.found)
    }
}

struct Pieces<'s, 't> {
    settings: &'s Settings,
    found: Vec<Piece<'t>>,
}

impl<'t> Pieces<'_, 't> {
    fn add(&mut self, text: Cow<'t, str>) {
        if !text.is_empty() {
            let len = self.settings.length.count(&text);
            self.found.push(Piece { text, len });
        }
    }

    /// Cuts the text at separators that stand at these places.
    fn add_between(&mut self, text: &'t str, separators: impl Iterator<Item = (usize, usize)>) {
        let mut begin = 0;
        for (from, to) in separators {
            let (end, next) = match self.settings.keep_separator {
                KeepSeparator::No => (from, to),
                KeepSeparator::Start => (from, from),
                KeepSeparator::End => (to, to),
            };
            self.add(Cow::Borrowed(&text[begin..end]));
            begin = next;
        }
        self.add(Cow::Borrowed(&text[begin..]));
    }

    /// LangChain's way with the list that `re.split` returns. It takes every second item for a
    /// separator, also where groups in the expression have put more of them in.
    fn add_with_groups(&mut self, list: &[Option<&'t str>]) -> Result<()> {
        let pairs_from = match self.settings.keep_separator {
            KeepSeparator::No => {
                list.iter().flatten().for_each(|&text| self.add(Cow::Borrowed(text)));
                return Ok(());
            }
            KeepSeparator::Start => 1,
            KeepSeparator::End => 0,
        };
        let pairs = &list[pairs_from.min(list.len())..];
        let (pairs, single) = match self.settings.keep_separator {
            // A last item without a second one is an error in Python, where "end" takes it alone.
            KeepSeparator::Start => (pairs.chunks(2), None),
            _ => (pairs[..pairs.len() - pairs.len() % 2].chunks(2), list.last()),
        };
        if pairs_from == 1 {
            self.add(Cow::Borrowed(list.first().copied().flatten().unwrap_or_default()));
        }
        for pair in pairs {
            let &[Some(a), Some(b)] = pair else {
                return Err(Error::InvalidSplitter {
                    reason: "a kept separator with capturing groups, of which one matched nothing or which do not \
                             pair up: write (?:...) for (...)"
                        .to_owned(),
                });
            };
            self.add(Cow::Owned([a, b].concat()));
        }
        if let (KeepSeparator::End, Some(last)) = (self.settings.keep_separator, single) {
            // With an even number of items LangChain takes the last one twice more.
            for _ in 0..if list.len().is_multiple_of(2) { 2 } else { 1 } {
                self.add(Cow::Borrowed(last.unwrap_or_default()));
            }
        }
        Ok(())
    }
}

impl Pattern {
    fn new(separator: &str, kept: bool) -> Result<Self> {
        let invalid =
            |why: String| Error::InvalidSplitter { reason: format!("separator {separator:?}: {why}") };
        let translated = translate(separator, kept).map_err(invalid)?;
        let compile = |pattern: &str| {
            RegexBuilder::new(pattern)
                .backtrack_limit(BACKTRACK_LIMIT)
                .build()
                .map_err(|error| invalid(error.to_string()))
        };
        Ok(Self {
            regex: compile(&translated.pattern)?,
            advancing: compile(&format!("(?:{})(?!\\G)", translated.pattern))?,
            groups: translated.groups,
        })
    }

    /// Where it matches, as Python finds it: an empty match may directly follow one that is not empty.
    fn matches(&self, text: &str) -> Result<Vec<(usize, usize)>> {
        let mut matches = Vec::new();
        let (mut at, mut regex) = (0, &self.regex);
        while let Some(found) = regex.find_from_pos(text, at).map_err(gave_up)? {
            matches.push((found.start(), found.end()));
            at = found.end();
            regex = self.after(found.start(), found.end());
        }
        Ok(matches)
    }

    /// The list that `re.split` returns: the texts between matches, and after each the match's groups.
    fn split_with_groups<'t>(&self, text: &'t str) -> Result<Vec<Option<&'t str>>> {
        let mut list = Vec::new();
        let (mut at, mut regex) = (0, &self.regex);
        while let Some(found) = regex.captures_from_pos(text, at).map_err(gave_up)? {
            let Some(whole) = found.get(0) else { break };
            list.push(Some(&text[at..whole.start()]));
            list.extend((1..=self.groups).map(|group| found.get(group).map(|group| group.as_str())));
            at = whole.end();
            regex = self.after(whole.start(), whole.end());
        }
        list.push(Some(&text[at..]));
        Ok(list)
    }

    fn after(&self, start: usize, end: usize) -> &Regex {
        if start == end { &self.advancing } else { &self.regex }
    }
}

fn gave_up(error: fancy_regex::Error) -> Error {
    Error::InvalidSplitter { reason: format!("a search for a separator gave up: {error}") }
}
