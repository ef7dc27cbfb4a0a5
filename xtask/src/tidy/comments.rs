//! Finds the comments of a file with their lines, so that rules about comments never see strings.
//! Invariant: quotes inside comments and comment marks inside strings (also raw ones) do not confuse it.

/// One line of a comment.
#[derive(Debug, PartialEq, Eq)]
pub struct Comment {
    /// Counted from 1.
    pub line: usize,
    /// Without its mark (`//`, `///`, `--`, `#`) and outer blanks.
    pub text: String,
    /// A docstring or module header: it may hold examples.
    pub doc: bool,
}

/// Comments of a Rust file.
pub fn of_rust(text: &str) -> Vec<Comment> {
    let mut scan = Scan {
        chars: text.chars().collect(),
        at: 0,
        line: 1,
        found: Vec::new(),
    };
    while scan.at < scan.chars.len() {
        scan.step();
    }
    scan.found
}

/// Comments of a file whose comments begin with `mark` at the start of a line or after a blank.
pub fn of_marked(text: &str, mark: &str) -> Vec<Comment> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        let start = if trimmed.starts_with(mark) {
            Some(line.len() - trimmed.len())
        } else {
            line.find(&format!(" {mark} ")).map(|at| at + 1)
        };
        if let Some(start) = start {
            let text = line[start..].trim_start_matches(mark).trim().to_owned();
            found.push(Comment {
                line: index + 1,
                text,
                doc: false,
            });
        }
    }
    found
}

struct Scan {
    chars: Vec<char>,
    at: usize,
    line: usize,
    found: Vec<Comment>,
}

impl Scan {
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn advance(&mut self) -> char {
        let now = self.peek(0);
        self.line += usize::from(now == '\n');
        self.at += 1;
        now
    }

    fn step(&mut self) {
        match (self.peek(0), self.peek(1)) {
            ('/', '/') => self.line_comment(),
            ('/', '*') => self.block_comment(),
            ('"', _) => self.string(),
            ('\'', _) => self.quote(),
            ('r', '"' | '#') if !self.inside_word() => self.raw_string(),
            _ => {
                self.advance();
            }
        }
    }

    /// Whether the character here continues an identifier (`br"` and `cr"` do not count).
    fn inside_word(&self) -> bool {
        let word = |at: usize| self.chars[at].is_alphanumeric() || self.chars[at] == '_';
        match self.at {
            0 => false,
            1 => word(0) && !matches!(self.chars[0], 'b' | 'c'),
            at => word(at - 1) && (!matches!(self.chars[at - 1], 'b' | 'c') || word(at - 2)),
        }
    }

    fn line_comment(&mut self) {
        let line = self.line;
        let mut text = String::new();
        while self.at < self.chars.len() && self.peek(0) != '\n' {
            text.push(self.advance());
        }
        let doc = text.starts_with("//!") || (text.starts_with("///") && !text.starts_with("////"));
        let text = text.trim_start_matches(['/', '!']).trim().to_owned();
        self.found.push(Comment { line, text, doc });
    }

    fn block_comment(&mut self) {
        let doc = matches!(self.peek(2), '*' | '!') && self.peek(3) != '/';
        let (mut depth, mut line, mut text) = (0_usize, self.line, String::new());
        loop {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                ('\n', _) | ('\0', _) => {
                    let done = std::mem::take(&mut text);
                    self.found.push(Comment {
                        line,
                        text: inner(&done),
                        doc,
                    });
                    line = self.line + 1;
                }
                _ => {}
            }
            let pair = matches!((self.peek(0), self.peek(1)), ('/', '*') | ('*', '/'));
            text.push(self.advance());
            if pair {
                self.advance();
            }
            if depth == 0 || self.at >= self.chars.len() {
                break;
            }
        }
        self.found.push(Comment {
            line,
            text: inner(&text),
            doc,
        });
    }

    fn string(&mut self) {
        self.advance();
        while self.at < self.chars.len() {
            match self.advance() {
                '\\' => {
                    self.advance();
                }
                '"' => break,
                _ => {}
            }
        }
    }

    /// A character literal is skipped; a lifetime is only its mark.
    fn quote(&mut self) {
        self.advance();
        if self.peek(0) == '\\' {
            self.advance();
            self.advance();
            while self.at < self.chars.len() && self.advance() != '\'' {}
        } else if self.peek(1) == '\'' {
            self.advance();
            self.advance();
        }
    }

    fn raw_string(&mut self) {
        self.advance();
        let mut hashes = 0;
        while self.peek(hashes) == '#' {
            hashes += 1;
        }
        if self.peek(hashes) != '"' {
            return;
        }
        for _ in 0..=hashes {
            self.advance();
        }
        while self.at < self.chars.len() {
            let closed = self.advance() == '"' && (0..hashes).all(|ahead| self.peek(ahead) == '#');
            if closed {
                (0..hashes).for_each(|_| {
                    self.advance();
                });
                break;
            }
        }
    }
}

/// A line of a block comment without its marks.
fn inner(text: &str) -> String {
    text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '/' | '*' | '!'))
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<(usize, String)> {
        of_rust(source)
            .into_iter()
            .map(|comment| (comment.line, comment.text))
            .collect()
    }

    #[test]
    fn strings_and_literals_are_not_comments() {
        let source = r####"let a = "// no"; let b = r#"// "no" "#; let c = '"'; // yes
let d: &'static str = "\" // no"; let e = br"// no\"; /* block */ let f = '\''; // end"####;
        let expected = [(1, "yes"), (2, "block"), (2, "end")];
        let expected: Vec<_> = expected.map(|(line, text)| (line, text.to_owned())).into();
        assert_eq!(texts(source), expected);
    }

    #[test]
    fn blocks_nest_and_keep_their_lines() {
        let found = texts("/* a\n /* b */\n c */ x // d");
        assert_eq!(
            found.iter().map(|(line, _)| *line).collect::<Vec<_>>(),
            [1, 2, 3, 3]
        );
        assert_eq!(found[2].1, "c");
    }

    #[test]
    fn docstrings_are_told_apart() {
        let docs: Vec<bool> = of_rust("//! a\n/// b\n// c\n//// d")
            .iter()
            .map(|c| c.doc)
            .collect();
        assert_eq!(docs, [true, true, false, false]);
    }

    #[test]
    fn marked_comments_in_sql_and_toml() {
        let found = of_marked("-- one\nselect 1 -- two\nselect '--three'", "--");
        assert_eq!(
            found.iter().map(|c| c.text.as_str()).collect::<Vec<_>>(),
            ["one", "two"]
        );
    }
}
