//! Regular expressions from Python's syntax (of version 3.11) to that of `fancy_regex`.
//!
//! The two look alike, but many things mean something else, and some of Python's are unknown or an error
//! over there. So an expression is read as Python reads it and written anew, in the few forms that are not
//! in doubt. What Python refuses is refused here too, but for
//! global flags in a separator that is kept.

use std::collections::HashMap;

/// An expression in `fancy_regex`'s syntax.
#[derive(Debug)]
pub(super) struct Translated {
    pub pattern: String,
    /// How many capturing groups it has.
    pub groups: usize,
}

/// Translates an expression; with `grouped`, as if it stood in parentheses (which then are group 1).
pub(super) fn translate(python: &str, grouped: bool) -> Result<Translated, String> {
    let mut translator = Translator {
        source: python.chars().collect(),
        at: 0,
        out: String::new(),
        flags: Flags::default(),
        open: Vec::new(),
        closed: if grouped { vec![true, false] } else { vec![true] },
        names: HashMap::new(),
        before: Before::Nothing,
        started: false,
    };
    translator.expression().map_err(|why| format!("{why} at position {}", translator.at))?;
    let (open, close) = if translator.flags.ignore_case { ("(?i:", ")") } else { ("", "") };
    let (group, end) = if grouped { ("(", ")") } else { ("", "") };
    Ok(Translated {
        pattern: format!("{group}{open}{}{close}{end}", translator.out),
        groups: translator.closed.len() - 1,
    })
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Flags {
    ascii: bool,
    ignore_case: bool,
    multi_line: bool,
    dot_all: bool,
    verbose: bool,
}

/// What stands before a place where a quantifier may come.
#[derive(Debug, Clone, Copy)]
enum Before {
    Nothing,
    /// Something to repeat, written from here on.
    Item(usize),
    Repeated,
}

/// A parenthesis that is not closed yet.
struct Open {
    start: usize,
    flags: Flags,
    /// The group's number if it captures.
    group: Option<usize>,
}

/// A set of characters that has a letter of its own.
#[derive(Debug, Clone, Copy)]
struct Category {
    /// What it holds, as written between brackets.
    members: &'static str,
    negated: bool,
}

/// One item within brackets, or an escape that is one character.
enum Item {
    Character(char),
    Category(Category),
}

struct Translator {
    source: Vec<char>,
    at: usize,
    out: String,
    flags: Flags,
    open: Vec<Open>,
    /// Which groups are closed; group 0 stands for the whole match.
    closed: Vec<bool>,
    names: HashMap<String, usize>,
    before: Before,
    /// Whether anything was read beside comments and flags.
    started: bool,
}

type Done<T = ()> = Result<T, String>;

impl Translator {
    fn peek(&self) -> Option<char> {
        self.source.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek();
        self.at += usize::from(c.is_some());
        c
    }

    fn eat(&mut self, c: char) -> bool {
        let there = self.peek() == Some(c);
        self.at += usize::from(there);
        there
    }

    /// The text up to a terminator, which is read as well.
    fn until(&mut self, end: char) -> Done<String> {
        let rest = &self.source[self.at..];
        let Some(len) = rest.iter().position(|&c| c == end) else {
            return Err(format!("missing {end}, unterminated name or comment"));
        };
        let text = rest[..len].iter().collect();
        self.at += len + 1;
        Ok(text)
    }

    fn expression(&mut self) -> Done {
        while let Some(c) = self.next() {
            if self.flags.verbose && self.skip_verbose(c) {
                continue;
            }
            match c {
                '(' => {
                    self.group()?;
                    continue;
                }
                '*' | '+' | '?' => self.quantifier(c)?,
                '{' => self.brace()?,
                ')' => self.close()?,
                '|' => {
                    self.out.push('|');
                    self.before = Before::Nothing;
                }
                '[' => self.class()?,
                '\\' => self.escape()?,
                '.' => self.item(if self.flags.dot_all { "(?s:.)" } else { "[^\\n]" }),
                '^' => self.assertion(if self.flags.multi_line { "(?m:^)" } else { "\\A" }),
                '$' => self.assertion(if self.flags.multi_line { "(?m:$)" } else { "(?=\\n?\\z)" }),
                _ => self.character(c),
            }
            self.started = true;
        }
        match self.open.is_empty() {
            true => Ok(()),
            false => Err("missing ), unterminated subpattern".to_owned()),
        }
    }

    /// Skips a blank or a comment of verbose mode.
    fn skip_verbose(&mut self, c: char) -> bool {
        if c == '#' {
            while self.next().is_some_and(|c| c != '\n') {}
        }
        matches!(c, '#' | ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}')
    }

    fn item(&mut self, written: &str) {
        self.before = Before::Item(self.out.len());
        self.out.push_str(written);
    }

    /// Writes what matches a place and cannot be repeated in Python.
    fn assertion(&mut self, written: &str) {
        self.before = Before::Nothing;
        self.out.push_str(written);
    }

    fn character(&mut self, c: char) {
        self.before = Before::Item(self.out.len());
        write_character(&mut self.out, c);
    }

    fn quantifier(&mut self, c: char) -> Done {
        match c {
            '*' => self.repeat("*"),
            '+' => self.repeat("+"),
            _ => self.repeat("?"),
        }
    }

    /// `{2}`, `{2,}`, `{,3}` or `{2,3}`; anything else is a brace that stands for itself.
    fn brace(&mut self) -> Done {
        let start = self.at;
        if self.peek() == Some('}') {
            self.character('{');
            return Ok(());
        }
        let low = self.digits();
        let high = if self.eat(',') { self.digits() } else { low.clone() };
        if !self.eat('}') {
            self.at = start;
            self.character('{');
            return Ok(());
        }
        let number = |digits: &str, default: u32| match digits {
            "" => Ok(default),
            _ => digits.parse::<u32>().map_err(|_| format!("the repetition number {digits} is too large")),
        };
        let (low, highest) = (number(&low, 0)?, number(&high, u32::MAX)?);
        if highest < low {
            return Err("min repeat greater than max repeat".to_owned());
        }
        match high.is_empty() {
            true => self.repeat(&format!("{{{low},}}")),
            false => self.repeat(&format!("{{{low},{highest}}}")),
        }
    }

    fn digits(&mut self) -> String {
        let mut digits = String::new();
        while let Some(c) = self.peek().filter(char::is_ascii_digit) {
            digits.push(c);
            self.at += 1;
        }
        digits
    }

    fn repeat(&mut self, quantifier: &str) -> Done {
        let start = match self.before {
            Before::Nothing => return Err("nothing to repeat".to_owned()),
            Before::Repeated => return Err("multiple repeat".to_owned()),
            Before::Item(start) => start,
        };
        // A look-around alone cannot be repeated over there, a choice between it and what never matches can.
        if ["(?=", "(?!", "(?<"].iter().any(|look| self.out[start..].contains(look)) {
            self.out.insert_str(start, "(?:");
            self.out.push_str("|[^\\s\\S])");
        }
        self.out.push_str(quantifier);
        if self.eat('?') {
            self.out.push('?');
        } else if self.eat('+') {
            self.out.insert_str(start, "(?>");
            self.out.push(')');
        }
        self.before = Before::Repeated;
        Ok(())
    }

    /// What follows an opening parenthesis.
    fn group(&mut self) -> Done {
        let start = self.out.len();
        let flags = self.flags;
        let mut captures = None;
        if !self.eat('?') {
            captures = Some(self.new_group());
            self.out.push('(');
        } else {
            match self.next().ok_or("unexpected end of pattern")? {
                ':' => self.out.push_str("(?:"),
                '=' => self.out.push_str("(?="),
                '!' => self.out.push_str("(?!"),
                '>' => self.out.push_str("(?>"),
                '<' if self.eat('=') => self.out.push_str("(?<="),
                '<' if self.eat('!') => self.out.push_str("(?<!"),
                '#' => return self.until(')').map(|_| ()),
                'P' if self.eat('<') => {
                    let name = self.until('>')?;
                    let group = self.new_group();
                    if !is_name(&name) {
                        return Err(format!("bad character in group name {name:?}"));
                    }
                    if self.names.insert(name.clone(), group).is_some() {
                        return Err(format!("redefinition of group name {name:?}"));
                    }
                    captures = Some(group);
                    self.out.push('(');
                }
                'P' if self.eat('=') => {
                    let name = self.until(')')?;
                    let group =
                        *self.names.get(&name).ok_or_else(|| format!("unknown group name {name:?}"))?;
                    self.started = true;
                    return self.reference(group);
                }
                '(' => {
                    let name = self.until(')')?;
                    let number = name.parse().ok().filter(|&number| number > 0);
                    let group = number.or_else(|| self.names.get(&name).copied());
                    let group = group.ok_or_else(|| format!("unknown group name {name:?}"))?;
                    if group >= self.closed.len() {
                        return Err(format!("invalid group reference {group}"));
                    }
                    self.out.push_str(&format!("(?({group})"));
                }
                c => {
                    self.at -= 1;
                    if !self.flags_of_group(c)? {
                        return Ok(());
                    }
                }
            }
        }
        self.started = true;
        self.open.push(Open { start, flags, group: captures });
        self.before = Before::Nothing;
        Ok(())
    }

    fn new_group(&mut self) -> usize {
        self.closed.push(false);
        self.closed.len() - 1
    }

    /// `(?ims-x:` opens a group with other flags (`true`); `(?im)` sets them for the whole expression.
    fn flags_of_group(&mut self, first: char) -> Done<bool> {
        if !(first == '-' || "aiLmsux".contains(first)) {
            return Err(format!("unknown extension ?{first}"));
        }
        let mut flags = self.flags;
        let mut on = true;
        loop {
            match self.next().ok_or("missing -, : or )")? {
                'i' => flags.ignore_case = on,
                'm' => flags.multi_line = on,
                's' => flags.dot_all = on,
                'x' => flags.verbose = on,
                'a' if on => flags.ascii = true,
                'u' if on => flags.ascii = false,
                'L' => return Err("cannot use LOCALE flag with a str pattern".to_owned()),
                '-' if on => on = false,
                ')' if on => {
                    if self.started {
                        return Err("global flags not at the start of the expression".to_owned());
                    }
                    self.set_flags(flags)?;
                    return Ok(false);
                }
                ':' => {
                    let outer = self.flags.ignore_case;
                    self.set_flags(flags)?;
                    self.out.push_str(match (outer, flags.ignore_case) {
                        (false, true) => "(?i:",
                        (true, false) => "(?-i:",
                        _ => "(?:",
                    });
                    return Ok(true);
                }
                other => return Err(format!("unknown flag {other:?}")),
            }
        }
    }

    fn set_flags(&mut self, flags: Flags) -> Done {
        if flags.ascii && flags.ignore_case {
            return Err("the flags a and i together are not supported".to_owned());
        }
        self.flags = flags;
        Ok(())
    }

    fn close(&mut self) -> Done {
        let open = self.open.pop().ok_or("unbalanced parenthesis")?;
        self.flags = open.flags;
        self.out.push(')');
        if let Some(group) = open.group {
            self.closed[group] = true;
        }
        self.before = Before::Item(open.start);
        Ok(())
    }

    /// A backslash outside brackets.
    fn escape(&mut self) -> Done {
        let c = self.next().ok_or("bad escape (end of pattern)")?;
        match c {
            'A' => self.assertion("\\A"),
            'Z' => self.assertion("\\z"),
            'b' | 'B' => {
                let word = category('w', self.flags.ascii).map_or("", |word| word.members);
                self.assertion(&match c {
                    'b' => format!("(?-i:(?<=[{word}])(?![{word}])|(?<![{word}])(?=[{word}]))"),
                    _ => format!("(?-i:(?<=[{word}])(?=[{word}])|(?<![{word}])(?![{word}]))"),
                });
            }
            '1'..='9' => {
                let mut digits = String::from(c);
                digits.extend(self.peek().filter(char::is_ascii_digit));
                self.at += digits.len() - 1;
                let third = self.peek().filter(|&c| is_octal(c));
                if let (2, true, Some(third)) = (digits.len(), digits.chars().all(is_octal), third) {
                    self.at += 1;
                    digits.push(third);
                    self.character(octal(&digits)?);
                } else {
                    let group = digits.parse().map_err(|_| "invalid group reference")?;
                    self.reference(group)?;
                }
            }
            _ => match self.escaped_item(c)? {
                Item::Character(c) => self.character(c),
                Item::Category(category) => {
                    let not = if category.negated { "^" } else { "" };
                    self.item(&format!("(?-i:[{not}{}])", category.members));
                }
            },
        }
        Ok(())
    }

    fn reference(&mut self, group: usize) -> Done {
        match self.closed.get(group) {
            Some(true) => {
                self.item(&format!("(?:\\{group})"));
                Ok(())
            }
            Some(false) => Err("cannot refer to an open group".to_owned()),
            None => Err(format!("invalid group reference {group}")),
        }
    }

    /// What a backslash and `c` mean both within and outside brackets.
    fn escaped_item(&mut self, c: char) -> Done<Item> {
        if let Some(category) = category(c, self.flags.ascii) {
            return Ok(Item::Category(category));
        }
        Ok(Item::Character(match c {
            'a' => '\u{7}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'x' => self.hexadecimal(2)?,
            'u' => self.hexadecimal(4)?,
            'U' => self.hexadecimal(8)?,
            'N' => return Err("\\N{name} is not supported, write \\uXXXX".to_owned()),
            '0' => {
                let mut digits = String::from(c);
                while let Some(digit) = self.peek().filter(|&c| digits.len() < 3 && is_octal(c)) {
                    digits.push(digit);
                    self.at += 1;
                }
                octal(&digits)?
            }
            _ if c.is_ascii_alphanumeric() => return Err(format!("bad escape \\{c}")),
            _ => c,
        }))
    }

    fn hexadecimal(&mut self, len: usize) -> Done<char> {
        let digits: String = self.source[self.at..].iter().take(len).collect();
        if digits.chars().count() < len || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err("incomplete hexadecimal escape".to_owned());
        }
        self.at += len;
        let code = u32::from_str_radix(&digits, 16).map_err(|_| "bad hexadecimal escape")?;
        char::from_u32(code).ok_or_else(|| format!("U+{code:04X} is not a character that text can hold"))
    }

    /// What follows an opening bracket.
    fn class(&mut self) -> Done {
        let start = self.out.len();
        self.out.push('[');
        if self.eat('^') {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let c = self.in_class()?;
            if c == ']' && !first {
                break;
            }
            first = false;
            let low = self.class_item(c)?;
            if !self.eat('-') {
                write_item(&mut self.out, &low);
                continue;
            }
            let c = self.in_class()?;
            if c == ']' {
                write_item(&mut self.out, &low);
                write_character(&mut self.out, '-');
                break;
            }
            match (low, self.class_item(c)?) {
                (Item::Character(low), Item::Character(high)) if low <= high => {
                    write_character(&mut self.out, low);
                    self.out.push('-');
                    write_character(&mut self.out, high);
                }
                _ => return Err("bad character range".to_owned()),
            }
        }
        self.out.push(']');
        self.before = Before::Item(start);
        Ok(())
    }

    fn in_class(&mut self) -> Done<char> {
        self.next().ok_or_else(|| "unterminated character set".to_owned())
    }

    fn class_item(&mut self, c: char) -> Done<Item> {
        if c != '\\' {
            return Ok(Item::Character(c));
        }
        match self.in_class()? {
            'b' => Ok(Item::Character('\u{8}')),
            c @ '1'..='7' => {
                let mut digits = String::from(c);
                while let Some(digit) = self.peek().filter(|&c| digits.len() < 3 && is_octal(c)) {
                    digits.push(digit);
                    self.at += 1;
                }
                octal(&digits).map(Item::Character)
            }
            c => self.escaped_item(c),
        }
    }
}

/// The sets of `\d`, `\s` and `\w` and their opposites, as Python has them.
fn category(letter: char, ascii: bool) -> Option<Category> {
    let members = match (letter.to_ascii_lowercase(), ascii) {
        ('d', false) => "\\p{Nd}",
        ('d', true) => "0-9",
        ('s', false) => "\\s\\x{1c}-\\x{1f}",
        ('s', true) => "\\x{9}-\\x{d}\\x{20}",
        ('w', false) => "\\p{L}\\p{N}_",
        ('w', true) => "0-9A-Za-z_",
        _ => return None,
    };
    Some(Category { members, negated: letter.is_ascii_uppercase() })
}

fn write_item(out: &mut String, item: &Item) {
    match item {
        Item::Character(c) => write_character(out, *c),
        Item::Category(Category { members, negated: false }) => out.push_str(members),
        Item::Category(Category { members, negated: true }) => out.push_str(&format!("[^{members}]")),
    }
}

/// A character that stands for itself, in and outside brackets.
fn write_character(out: &mut String, c: char) {
    if c.is_ascii_alphanumeric() || !c.is_ascii() {
        out.push(c);
    } else {
        out.push_str(&format!("\\x{{{:x}}}", u32::from(c)));
    }
}

fn is_octal(c: char) -> bool {
    ('0'..='7').contains(&c)
}

fn octal(digits: &str) -> Done<char> {
    let code = u8::from_str_radix(digits, 8)
        .map_err(|_| format!("octal escape \\{digits} outside of \\0 to \\377"))?;
    Ok(char::from(code))
}

/// Python's identifiers, nearly: letters, digits and `_`, no digit first.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}
