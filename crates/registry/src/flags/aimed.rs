//! Text that instructs the model rather than describing the tool. Must never be taken for proof of good faith.

use super::script::folded;

/// Words in order, each step one of several, with so many other words allowed between two steps.
struct Phrase {
    between: usize,
    steps: &'static [&'static [&'static str]],
}

const fn phrase(between: usize, steps: &'static [&'static [&'static str]]) -> Phrase {
    Phrase { between, steps }
}

const TELL: &[&str] = &[
    "tell",
    "telling",
    "inform",
    "informing",
    "mention",
    "mentioning",
    "notify",
    "notifying",
    "reveal",
    "revealing",
    "disclose",
    "alert",
    "ask",
    "asking",
    "warn",
    "warning",
    "show",
];
const PEOPLE: &[&str] = &["user", "users", "human", "operator", "anyone", "anybody", "person"];
const SEND: &[&str] =
    &["send", "forward", "transmit", "upload", "exfiltrate", "leak", "post", "email", "bcc", "submit"];
const PRIVATE: &[&str] = &[
    "conversation",
    "history",
    "credentials",
    "secrets",
    "secret",
    "passwords",
    "password",
    "keys",
    "prompt",
    "chat",
    "everything",
    "tokens",
    "token",
    "environment",
];

const PHRASES: &[Phrase] = &[
    phrase(
        3,
        &[
            &["ignore", "disregard", "forget", "override", "bypass"],
            &["previous", "prior", "above", "earlier", "all", "other", "any", "your", "these"],
            &[
                "instruction",
                "instructions",
                "rules",
                "prompt",
                "prompts",
                "guidelines",
                "tools",
                "context",
                "directions",
            ],
        ],
    ),
    phrase(3, &[&["not", "dont", "never", "without", "avoid"], TELL, PEOPLE]),
    phrase(0, &[&["system"], &["prompt", "prompts"]]),
    phrase(
        1,
        &[
            &["before", "after", "prior"],
            &["using", "calling", "invoking", "running"],
            &["this", "any", "other", "every"],
            &["tool", "tools", "function"],
        ],
    ),
    phrase(1, &[&["before", "instead"], &["any", "every", "all", "other", "of"], &["tool", "tools"]]),
    phrase(
        2,
        &[
            &["you", "assistant", "model", "ai", "llm", "agent", "claude", "gpt"],
            &["must", "shall"],
            &[
                "always", "call", "use", "never", "first", "include", "send", "pass", "read", "append",
                "not", "run", "invoke", "execute",
            ],
        ],
    ),
    phrase(1, &[&["you"], &["should", "are"], &["always", "never", "required"]]),
    phrase(
        2,
        &[&["always", "must"], &["call", "use", "invoke", "run"], &["this"], &["tool", "function", "first"]],
    ),
    phrase(5, &[SEND, PRIVATE, &["to", "at", "as"]]),
    phrase(6, &[SEND, &["to"], &["http", "https", "www", "@"]]),
    phrase(8, &[&["read"], &["file", "files"], &["pass", "send", "include", "put", "append"]]),
    phrase(2, &[&["hidden", "secret", "following", "new", "these"], &["instruction", "instructions"]]),
    phrase(0, &[&["you"], &["are"], &["now"]]),
    phrase(0, &[&["as"], &["an"], &["ai"]]),
    phrase(1, &[&["keep"], &["secret", "hidden", "confidential"]]),
    phrase(0, &[&["secretly", "covertly", "discreetly", "jailbreak"]]),
    phrase(
        1,
        &[&["silently", "quietly"], &["call", "read", "send", "include", "pass", "add", "copy", "run"]],
    ),
    phrase(0, &[&["developer", "god", "dan"], &["mode"]]),
];

/// Marks that belong to prompts, not to descriptions. Lower case.
const MARKS: &[&str] = &[
    "<important",
    "<system",
    "</system",
    "<instruction",
    "<secret",
    "<hidden",
    "<!--",
    "[inst]",
    "<|",
    "<assistant",
    "### instruction",
    "begin system",
    "[system]",
    "<critical",
];

/// Where secrets are kept. Lower case.
const SECRET_PATHS: &[&str] = &[
    "~/.ssh",
    "/.ssh/",
    ".ssh/id_",
    "id_rsa",
    "id_ed25519",
    ".aws/credentials",
    "/etc/passwd",
    "/etc/shadow",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".git-credentials",
    ".kube/config",
    ".docker/config",
    "/mcp.json",
    "claude_desktop_config",
    ".bash_history",
    ".zsh_history",
    "wallet.dat",
    ".gnupg",
    "/proc/self/environ",
    "authorized_keys",
];

/// What in the text is aimed at the model, in words.
pub(super) fn at_model(text: &str) -> Option<String> {
    let folded = folded(text).to_lowercase();
    if let Some(mark) = MARKS.iter().find(|mark| folded.contains(**mark)) {
        return Some((*mark).to_owned());
    }
    let plain = folded.replace(['\'', '’'], "").replace('@', " @ ");
    let words: Vec<&str> =
        plain.split(|c: char| !c.is_alphanumeric() && c != '@').filter(|w| !w.is_empty()).collect();
    PHRASES.iter().find_map(|phrase| phrase.found_in(&words))
}

/// The secret place the text names.
pub(super) fn secret_path(text: &str) -> Option<&'static str> {
    let folded = folded(text).to_lowercase();
    if let Some(path) = SECRET_PATHS.iter().find(|path| folded.contains(**path)) {
        return Some(path);
    }
    let dot_env = folded.match_indices(".env").any(|(at, found)| {
        let before = folded.get(..at).and_then(|head| head.chars().next_back());
        let after = folded.get(at + found.len()..).and_then(|tail| tail.chars().next());
        let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !word(before) && !word(after) && before != Some(')') && before != Some(']')
    });
    dot_env.then_some(".env")
}

impl Phrase {
    fn found_in(&self, words: &[&str]) -> Option<String> {
        (0..words.len()).find_map(|start| {
            let end = self.end_from(words.get(start..)?)?;
            Some(words.get(start..start + end)?.join(" "))
        })
    }

    /// How many words the phrase takes when it begins with the first.
    fn end_from(&self, words: &[&str]) -> Option<usize> {
        let (first, rest) = self.steps.split_first()?;
        words.first().filter(|word| first.contains(word))?;
        let mut at = 1;
        for step in rest {
            let window = words.get(at..words.len().min(at + self.between + 1))?;
            at += window.iter().position(|word| step.contains(word))? + 1;
        }
        Some(at)
    }
}
