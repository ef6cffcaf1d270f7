//! TOML tree → typed values, every problem noted with its place. Must never stop at the first problem.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::keys::{Key, Kind, Section, find};
use crate::problem::{ConfigProblem, place, quoted};
use crate::suggest::nearest;
use crate::value::{describe, kind_of};

/// A value with the place it was written at.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) offset: usize,
}

/// One table of the file: which section it is, its full name, and its content when it was written.
#[derive(Clone)]
pub(crate) struct Table<'t, 'i> {
    pub(crate) section: Section,
    pub(crate) name: String,
    pub(crate) offset: usize,
    content: Option<&'t DeTable<'i>>,
}

impl Table<'_, '_> {
    /// The full name of one of its keys.
    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.name)
    }

    /// Whether the key was written, right or wrong.
    pub(crate) fn has(&self, name: &str) -> Option<usize> {
        let content = self.content?;
        content.keys().find(|key| key.get_ref() == name).map(|key| key.span().start)
    }
}

/// Collects problems while reading.
pub(crate) struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    problems: Vec<ConfigProblem>,
    warnings: Vec<ConfigProblem>,
}

/// What a problem says besides its place.
pub(crate) struct Says<'a> {
    pub(crate) got: &'a str,
    pub(crate) want: &'a str,
    pub(crate) fix: &'a str,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, problems: Vec::new(), warnings: Vec::new() }
    }

    /// Notes a problem.
    pub(crate) fn note(&mut self, offset: usize, key: &str, says: &Says<'_>) {
        let problem = self.problem(offset, key, says);
        self.problems.push(problem);
    }

    /// Notes what keeps a server from being used, and nothing else.
    pub(crate) fn warn(&mut self, offset: usize, key: &str, says: &Says<'_>) {
        let warning = self.problem(offset, key, says);
        self.warnings.push(warning);
    }

    fn problem(&self, offset: usize, key: &str, says: &Says<'_>) -> ConfigProblem {
        let (line, column) = place(self.text, offset);
        ConfigProblem {
            file: self.file.to_owned(),
            line,
            column,
            key: key.chars().take(200).flat_map(char::escape_debug).collect(),
            got: says.got.to_owned(),
            want: says.want.to_owned(),
            fix: says.fix.to_owned(),
        }
    }

    /// Every problem noted, in the order of the file.
    pub(crate) fn finish(self) -> Vec<ConfigProblem> {
        in_order(self.problems)
    }

    /// Every warning noted, in the order of the file.
    pub(crate) fn warnings(&mut self) -> Vec<ConfigProblem> {
        in_order(std::mem::take(&mut self.warnings))
    }

    /// True while nothing was noted.
    pub(crate) const fn clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// Notes every error of the TOML grammar. Their texts hold no part of the file.
    pub(crate) fn syntax(&mut self, errors: &[toml::de::Error]) {
        for error in errors {
            let offset = error.span().map_or(0, |span| span.start);
            let got = format!("text that is not TOML: {}", error.message().replace('\n', " "));
            let fix = "correct this line; the other problems are shown once the file is TOML";
            self.note(offset, "(file)", &Says { got: &got, want: "TOML", fix });
        }
    }

    /// The section's table, empty when it was not written.
    pub(crate) fn top<'t, 'i>(&mut self, root: &'t DeTable<'i>, section: Section) -> Table<'t, 'i> {
        let name = section.name().to_owned();
        let found = root.iter().find(|(key, _)| key.get_ref() == section.name());
        let offset = found.map_or(0, |(key, _)| key.span().start);
        let content = found.and_then(|(key, value)| self.content(&name, key.span(), value));
        Table { section, name, offset, content }
    }

    fn content<'t, 'i>(
        &mut self,
        name: &str,
        at: Range<usize>,
        value: &'t Spanned<DeValue<'i>>,
    ) -> Option<&'t DeTable<'i>> {
        let content = value.get_ref().as_table();
        if content.is_none() {
            let fix = format!("write `[{name}]` on a line of its own and its keys below");
            self.note(at.start, name, &Says { got: kind_of(value), want: "a table", fix: &fix });
        }
        content
    }

    /// Notes every name at the top of the file that is no section.
    pub(crate) fn unknown_sections(&mut self, root: &DeTable<'_>) {
        let names = || Section::TOP.into_iter().map(Section::name);
        for key in root.keys() {
            let name = key.get_ref();
            if names().any(|known| known == name) {
                continue;
            }
            let home = Section::ALL.into_iter().find(|section| find(*section, name).is_some());
            let fix = match (nearest(name, names()), home) {
                (Some(near), _) => format!("did you mean `[{near}]`?"),
                (None, Some(home)) => format!("`{name}` is a key of `[{}]`", home.title()),
                (None, None) => "remove it".to_owned(),
            };
            let want = format!("one of the tables {}", quoted(names()));
            self.note(key.span().start, name, &Says { got: "an unknown key", want: &want, fix: &fix });
        }
    }

    /// Notes every key of a table that is not one of its section's.
    pub(crate) fn unknown_keys(&mut self, table: &Table<'_, '_>) {
        let names = || table.section.keys().map(|key| key.name);
        for key in table.content.into_iter().flat_map(|content| content.keys()) {
            let name = key.get_ref();
            if names().any(|known| known == name) {
                continue;
            }
            let fix = nearest(name, names())
                .map_or_else(|| "remove it".to_owned(), |near| format!("did you mean `{near}`?"));
            let want = format!("one of {}", quoted(names()));
            let says = Says { got: "an unknown key", want: &want, fix: &fix };
            self.note(key.span().start, &table.key(name), &says);
        }
    }

    /// The tables below `[servers]`, by name.
    pub(crate) fn children<'t, 'i>(&mut self, table: &Table<'t, 'i>) -> Vec<Table<'t, 'i>> {
        let mut children = Vec::new();
        for (key, value) in table.content.into_iter().flatten() {
            let name = table.key(key.get_ref());
            let content = self.content(&name, key.span(), value);
            if content.is_some() {
                children.push(Table { section: table.section, name, offset: key.span().start, content });
            }
        }
        children
    }

    /// A table within another, if it was written.
    pub(crate) fn inner<'t, 'i>(&mut self, table: &Table<'t, 'i>, section: Section) -> Option<Table<'t, 'i>> {
        let (key, value) = self.value(table, section.name())?;
        let (name, offset) = (table.key(key.name), table.has(key.name).unwrap_or(table.offset));
        let content = self.content(&name, value.span(), value)?;
        Some(Table { section, name, offset, content: Some(content) })
    }

    fn value<'t, 'i>(
        &self,
        table: &Table<'t, 'i>,
        name: &str,
    ) -> Option<(&'static Key, &'t Spanned<DeValue<'i>>)> {
        let key = find(table.section, name)?;
        let (_, value) = table.content?.iter().find(|(key, _)| key.get_ref() == name)?;
        Some((key, value))
    }

    fn wrong_kind(&mut self, table: &Table<'_, '_>, key: &Key, value: &Spanned<DeValue<'_>>) {
        let got = if key.kind.hides() { kind_of(value).to_owned() } else { describe(value) };
        let fix = match (key.default, key.kind.hides()) {
            ("", _) | (_, true) => "quote it, and write a list in `[ ]`".to_owned(),
            (default, false) => format!("write it like `{} = {default}`", key.name),
        };
        let says = Says { got: &got, want: &key.kind.words(), fix: &fix };
        self.note(value.span().start, &table.key(key.name), &says);
    }

    fn wrong_item(&mut self, table: &Table<'_, '_>, key: &Key, item: &Spanned<DeValue<'_>>) {
        let got = format!("{} in it", kind_of(item));
        let says = Says { got: &got, want: &key.kind.words(), fix: "put it in quotes, or remove it" };
        self.note(item.span().start, &table.key(key.name), &says);
    }

    /// A string; `None` when absent or wrong (then it is noted).
    pub(crate) fn text(&mut self, table: &Table<'_, '_>, name: &str) -> Option<At<String>> {
        let (key, value) = self.value(table, name)?;
        let Some(text) = value.get_ref().as_str() else {
            self.wrong_kind(table, key, value);
            return None;
        };
        Some(At { value: text.to_owned(), offset: value.span().start })
    }

    /// A boolean; its default when absent, `false` when wrong.
    pub(crate) fn bool(&mut self, table: &Table<'_, '_>, name: &str) -> bool {
        let Some((key, value)) = self.value(table, name) else {
            return find(table.section, name).is_some_and(|key| key.default == "true");
        };
        let read = value.get_ref().as_bool();
        if read.is_none() {
            self.wrong_kind(table, key, value);
        }
        read.unwrap_or(false)
    }

    /// An integer within the key's bounds.
    pub(crate) fn integer(&mut self, table: &Table<'_, '_>, name: &str) -> Option<u64> {
        let (key, value) = self.value(table, name)?;
        let parsed = value
            .get_ref()
            .as_integer()
            .and_then(|number| u64::from_str_radix(number.as_str(), number.radix()).ok());
        let within = |number: &u64| match key.kind {
            Kind::Integer { min, max } => (min..=max).contains(number),
            _ => false,
        };
        let read = parsed.filter(within);
        if read.is_none() {
            self.wrong_kind(table, key, value);
        }
        read
    }

    /// One of the key's words.
    pub(crate) fn choice(&mut self, table: &Table<'_, '_>, name: &str) -> Option<&'static str> {
        let (key, value) = self.value(table, name)?;
        let Kind::Choice(words) = key.kind else {
            return None;
        };
        let given = value.get_ref().as_str();
        let read = words.iter().find(|word| given == Some(**word)).copied();
        if read.is_none() {
            let near = given.and_then(|given| nearest(given, words.iter().copied()));
            let fix = near.map_or_else(
                || format!("write one of them, such as {}", key.default),
                |near| format!("did you mean `\"{near}\"`?"),
            );
            let says = Says { got: &describe(value), want: &key.kind.words(), fix: &fix };
            self.note(value.span().start, &table.key(name), &says);
        }
        read
    }

    /// A list of strings, each with its place.
    pub(crate) fn list(&mut self, table: &Table<'_, '_>, name: &str) -> Option<At<Vec<At<String>>>> {
        let (key, value) = self.value(table, name)?;
        let Some(items) = value.get_ref().as_array() else {
            self.wrong_kind(table, key, value);
            return None;
        };
        let mut texts = Vec::new();
        for item in items.iter() {
            match item.get_ref().as_str() {
                Some(text) => texts.push(At { value: text.to_owned(), offset: item.span().start }),
                None => self.wrong_item(table, key, item),
            }
        }
        Some(At { value: texts, offset: value.span().start })
    }

    /// A table of strings: each name and value with its place.
    pub(crate) fn map(&mut self, table: &Table<'_, '_>, name: &str) -> Vec<(At<String>, At<String>)> {
        let Some((key, value)) = self.value(table, name) else {
            return Vec::new();
        };
        let Some(members) = value.get_ref().as_table() else {
            self.wrong_kind(table, key, value);
            return Vec::new();
        };
        let mut texts = Vec::new();
        for (name, value) in members {
            match value.get_ref().as_str() {
                Some(text) => texts.push((
                    At { value: name.get_ref().to_string(), offset: name.span().start },
                    At { value: text.to_owned(), offset: value.span().start },
                )),
                None => self.wrong_item(table, key, value),
            }
        }
        texts
    }
}

fn in_order(mut problems: Vec<ConfigProblem>) -> Vec<ConfigProblem> {
    problems.sort_by(|a, b| (a.line, a.column, &a.key).cmp(&(b.line, b.column, &b.key)));
    problems
}
