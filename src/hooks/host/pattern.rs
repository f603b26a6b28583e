//! A regular expression whose every search is short, whatever it is and whatever it meets.
//!
//! Linear time alone is not enough: a large expression that goes through a text state by state needs seconds for a megabyte, and
//! nothing can interrupt it. So the search is a lazily built automaton that takes about a nanosecond a byte or gives up
//! soon. Only then, and for groups, is the expression simulated, and that is done only where it costs few [`STEPS`].
//!
//! *Invariant*: no search takes longer than one pass of the automaton over the text and [`STEPS`].

use regex_automata::dfa::onepass;
use regex_automata::hybrid::{dfa, regex};
use regex_automata::nfa::thompson::{self, NFA, pikevm::PikeVM};
use regex_automata::util::{captures::Captures, syntax};
use regex_automata::{Anchored, Input, Match, MatchError, PatternID};
use std::cell::RefCell;
use std::error::Error;

/// How long an expression may be.
const LONGEST: usize = 4096;
/// How large it may be when compiled, in bytes.
const SIZE: usize = 256 << 10;
/// How many groups it may have.
const GROUPS: usize = 100;
/// How much of the automaton is kept in each direction, in bytes. When it does not suffice, it is begun afresh so many times.
const CACHE: usize = 128 << 10;
const FRESH_STARTS: usize = 4;
/// Parts of the expression times bytes of the text, in a simulation: a hundredth of a second or so.
const STEPS: usize = 2 << 20;

/// An expression, compiled.
pub(super) struct Pattern {
    automaton: regex::Regex,
    cache: RefCell<regex::Cache>,
    simulation: PikeVM,
    /// Finds groups without simulation; not every expression has one.
    onepass: Option<onepass::DFA>,
}

/// Why a search gave up.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooSlow;

impl Pattern {
    /// Compiles an expression.
    ///
    /// # Errors
    /// In words: it is no expression, or too large.
    pub(super) fn new(pattern: &str) -> Result<Self, String> {
        if pattern.len() > LONGEST {
            return Err(format!("the expression is longer than {LONGEST} bytes"));
        }
        // Topics and payloads are bytes.
        let syntax = syntax::Config::new().utf8(false);
        let thompson = thompson::Config::new().utf8(false).nfa_size_limit(Some(SIZE));
        let nfa = thompson::Compiler::new()
            .syntax(syntax)
            .configure(thompson.clone())
            .build(pattern)
            .map_err(|error| said(&error))?;
        if nfa.group_info().group_len(PatternID::ZERO) > GROUPS {
            return Err(format!("the expression has more than {GROUPS} groups"));
        }
        let lazy = dfa::Config::new()
            .cache_capacity(CACHE)
            .skip_cache_capacity_check(true)
            .minimum_cache_clear_count(Some(FRESH_STARTS))
            .minimum_bytes_per_state(Some(10))
            // It knows words of ASCII, and gives up where there are others.
            .unicode_word_boundary(true);
        let automaton = regex::Builder::new()
            .syntax(syntax)
            .thompson(thompson)
            .dfa(lazy)
            .build(pattern)
            .map_err(|error| said(&error))?;
        let one = onepass::Config::new().size_limit(Some(SIZE));
        Ok(Self {
            cache: RefCell::new(automaton.create_cache()),
            automaton,
            onepass: onepass::Builder::new()
                .configure(one)
                .build_from_nfa(nfa.clone())
                .ok(),
            simulation: PikeVM::new_from_nfa(nfa).map_err(|error| said(&error))?,
        })
    }

    /// The first match in the span of `input`.
    pub(super) fn find(&self, input: &Input<'_>) -> Result<Option<Match>, TooSlow> {
        let cache = &mut *self.cache.borrow_mut();
        let found: Result<_, MatchError> = self.automaton.try_search(cache, input);
        found.or_else(|_gave_up| {
            self.affordable(input)?;
            Ok(self
                .simulation
                .find(&mut self.simulation.create_cache(), input.clone()))
        })
    }

    /// The groups of a match that [`Pattern::find`] found.
    pub(super) fn groups(&self, text: &[u8], found: Match) -> Result<Captures, TooSlow> {
        let mut groups = Captures::all(self.nfa().group_info().clone());
        // What is around the match is still seen, by `$` and `\b` for instance.
        let input = Input::new(text).span(found.span()).anchored(Anchored::Yes);
        if let Some(onepass) = &self.onepass {
            let searched = onepass.try_search(&mut onepass.create_cache(), &input, &mut groups);
            return searched.map(|()| groups).map_err(|_| TooSlow);
        }
        self.affordable(&input)?;
        self.simulation
            .search(&mut self.simulation.create_cache(), &input, &mut groups);
        Ok(groups)
    }

    /// The number of the group of that name.
    pub(super) fn group(&self, name: &str) -> Option<usize> {
        self.nfa().group_info().to_index(PatternID::ZERO, name)
    }

    /// The names of the groups, in order; the whole match is the first, and has none.
    pub(super) fn names(&self) -> impl Iterator<Item = Option<&str>> {
        self.nfa().group_info().pattern_names(PatternID::ZERO)
    }

    fn nfa(&self) -> &NFA {
        self.simulation.get_nfa()
    }

    fn affordable(&self, input: &Input<'_>) -> Result<(), TooSlow> {
        let groups = self.nfa().group_info().group_len(PatternID::ZERO);
        let weight = self.nfa().states().len() + groups;
        if weight.saturating_mul(input.get_span().len()) <= STEPS {
            Ok(())
        } else {
            Err(TooSlow)
        }
    }
}

/// What an error says at the bottom, where the mistake is shown.
fn said(error: &(dyn Error + 'static)) -> String {
    let built = error.downcast_ref::<thompson::BuildError>();
    if built.is_some_and(|error| error.size_limit().is_some()) {
        return format!(
            "the expression is too large: it takes more than {} KiB",
            SIZE >> 10
        );
    }
    if let Some(inner) = error.source() {
        return said(inner);
    }
    let all = error.to_string();
    // The lines before the last one show a long expression whole.
    match all.lines().last().filter(|_| all.len() > 500) {
        Some(last) => format!("regex parse {last}"),
        None => all,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn new(pattern: &str) -> Pattern {
        Pattern::new(pattern).unwrap_or_else(|why| panic!("{pattern}: {why}"))
    }

    fn find(pattern: &str, text: &str) -> Result<Option<String>, TooSlow> {
        let found = new(pattern).find(&Input::new(text))?;
        Ok(found.and_then(|found| text.get(found.range())).map(String::from))
    }

    /// Texts of two letters whose order no automaton can foresee.
    fn letters(length: usize) -> String {
        let mut seed = 42_u32;
        let next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if seed >> 31 == 0 { 'a' } else { 'b' }
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    #[test]
    fn it_finds_what_is_there() {
        assert_eq!(find("b+", "abbc"), Ok(Some("bb".into())));
        assert_eq!(find(r"\bé\w+\b", "un été"), Ok(Some("été".into())));
        assert_eq!(find("x", "abc"), Ok(None));
        let pattern = new(r"(?<name>\w+)=(\d+)?$");
        let text = b"a=1; b=";
        let found = pattern.find(&Input::new(text)).unwrap().unwrap();
        let groups = pattern.groups(text, found).unwrap();
        assert_eq!(groups.get_group(1).map(|span| span.range()), Some(5..6));
        assert_eq!(groups.get_group(2), None);
        assert_eq!(pattern.group("name"), Some(1));
        assert_eq!(pattern.names().collect::<Vec<_>>(), [None, Some("name"), None]);
    }

    #[test]
    fn large_expressions_are_refused_with_what_is_wrong() {
        let why = |pattern: &str| Pattern::new(pattern).err().unwrap_or_default();
        assert_eq!(
            why("(a{1000}){1000}"),
            "the expression is too large: it takes more than 256 KiB"
        );
        assert_eq!(why(&"a".repeat(5000)), "the expression is longer than 4096 bytes");
        assert_eq!(why(&"(a)".repeat(101)), "the expression has more than 100 groups");
        assert!(why("(").contains("unclosed group"), "{}", why("("));
        assert_eq!(why(&"(".repeat(4000)), "regex parse error: unclosed group");
        let deep = why(&format!("{}{}", "(".repeat(300), ")".repeat(300)));
        assert!(deep.contains("nest"), "{deep}");
    }

    #[test]
    fn hard_expressions_are_simulated_on_short_texts_and_given_up_on_long_ones() {
        let (short, long) = (letters(1000), letters(1 << 20));
        for pattern in [
            "[ab]*a[ab]{200}c",
            "([ab]*)a([ab]{300})c|x",
            r"(\w{4})*a[ab]{200}!",
        ] {
            assert_eq!(find(pattern, &short), Ok(None), "{pattern}");
            let start = Instant::now();
            assert_eq!(find(pattern, &long), Err(TooSlow), "{pattern}");
            // Without optimisation; it is a twentieth with.
            assert!(
                start.elapsed() < Duration::from_secs(2),
                "{pattern} {:?}",
                start.elapsed()
            );
        }
        assert_eq!(find("(a|b)*c", &long), Ok(None));
        // Groups of a long match are given up likewise, unless one pass finds them.
        let groups = |pattern: &str| {
            let pattern = new(pattern);
            let found = pattern.find(&Input::new(&long)).unwrap().unwrap();
            pattern
                .groups(long.as_bytes(), found)
                .map(|groups| groups.get_group(1).is_some())
        };
        assert_eq!(groups("^([ab]*)$"), Ok(true));
        assert_eq!(groups("([ab]*)([ab]*)b"), Err(TooSlow));
    }
}
