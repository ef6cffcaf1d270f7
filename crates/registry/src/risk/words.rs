//! The words that tell what a tool does. Must never be the only guard: a person confirms every proposal.

/// A name in lower-case words: split at anything but letters and digits, and at the humps of `camelCase`.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut current = String::new();
    let mut before = ' ';
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        let hump = c.is_ascii_uppercase()
            && (before.is_ascii_lowercase()
                || before.is_ascii_digit()
                || (before.is_ascii_uppercase() && chars.peek().is_some_and(char::is_ascii_lowercase)));
        if (hump || !c.is_alphanumeric()) && !current.is_empty() {
            out.push(std::mem::take(&mut current));
        }
        if c.is_alphanumeric() {
            current.extend(c.to_lowercase());
        }
        before = c;
    }
    if !current.is_empty() {
        out.push(current);
    }
    out
}

/// What a word says is done.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Deed {
    /// Looks.
    Reads,
    /// Changes something.
    Writes,
    /// Takes something away.
    Deletes,
    /// Changes without bound, or gives power.
    Commands,
}

const READS: &[&str] = &[
    "get",
    "list",
    "search",
    "find",
    "read",
    "describe",
    "show",
    "count",
    "view",
    "lookup",
    "inspect",
    "explain",
    "summarize",
    "fetch",
    "check",
    "compare",
    "diff",
    "preview",
    "validate",
    "verify",
    "query",
    "browse",
    "ls",
    "cat",
    "stat",
    "status",
    "log",
    "tree",
    "resolve",
    "suggest",
    "estimate",
    "calculate",
    "convert",
];
const WRITES: &[&str] = &[
    "write",
    "create",
    "update",
    "set",
    "insert",
    "edit",
    "modify",
    "move",
    "rename",
    "send",
    "post",
    "put",
    "patch",
    "push",
    "commit",
    "add",
    "upload",
    "publish",
    "merge",
    "close",
    "checkout",
    "revert",
    "save",
    "store",
    "append",
    "replace",
    "archive",
    "cancel",
    "approve",
    "reject",
    "assign",
    "invite",
    "enable",
    "disable",
    "start",
    "stop",
    "restart",
    "submit",
    "upsert",
    "import",
    "trigger",
    "schedule",
    "book",
    "reply",
    "subscribe",
    "unsubscribe",
    "fork",
    "lock",
    "unlock",
    "share",
    "copy",
    "rebase",
    "stage",
    "restore",
    "click",
    "fill",
    "type",
    "press",
    "drag",
    "mkdir",
    "touch",
    "save",
    "register",
    "toggle",
    "dispatch",
    "release",
    "tag",
    "label",
    "configure",
    "apply",
    "rotate",
];
const DELETES: &[&str] =
    &["delete", "remove", "clear", "reset", "unlink", "rm", "rmdir", "erase", "del", "overwrite"];
const COMMANDS: &[&str] = &[
    "exec",
    "execute",
    "executes",
    "run",
    "eval",
    "evaluate",
    "sudo",
    "drop",
    "truncate",
    "purge",
    "wipe",
    "destroy",
    "deploy",
    "kill",
    "transfer",
    "pay",
    "charge",
    "refund",
    "withdraw",
    "purchase",
    "buy",
    "grant",
    "revoke",
    "impersonate",
    "spawn",
    "install",
    "uninstall",
    "shutdown",
    "reboot",
    "chmod",
    "chown",
    "terminate",
    "invoke",
    "payout",
    "escalate",
    "promote",
];
/// Things that give power by what they are, whatever is done with them but looking.
const POWERS: &[&str] = &[
    "shell",
    "bash",
    "sh",
    "zsh",
    "powershell",
    "cmd",
    "command",
    "sql",
    "admin",
    "administrator",
    "root",
    "script",
    "payment",
    "payments",
    "terraform",
    "kubectl",
    "ssh",
    "permission",
    "permissions",
    "role",
    "roles",
    "iam",
    "acl",
    "subprocess",
    "repl",
];
/// Things so large that taking one away is not bounded.
const LARGE: &[&str] = &[
    "all",
    "database",
    "databases",
    "db",
    "table",
    "tables",
    "bucket",
    "cluster",
    "namespace",
    "repository",
    "repo",
    "account",
    "user",
    "users",
    "project",
    "org",
    "organization",
    "tenant",
    "volume",
    "collection",
    "everything",
];

fn deed_of(word: &str) -> Option<Deed> {
    [(COMMANDS, Deed::Commands), (DELETES, Deed::Deletes), (WRITES, Deed::Writes), (READS, Deed::Reads)]
        .into_iter()
        .find(|(list, _)| list.contains(&word))
        .map(|(_, deed)| deed)
}

/// What a name says is done at worst, and the word that says so. The first verb counts, since what follows it
/// is what is looked at or changed (`get_workflow_run`); all count in `get_or_create`.
pub(super) fn deed(words: &[String]) -> Option<(Deed, &str)> {
    let several = words.iter().any(|word| matches!(word.as_str(), "and" | "or" | "then"));
    let mut verbs = words.iter().filter_map(|word| deed_of(word).map(|deed| (deed, word.as_str())));
    let verb = if several { verbs.max_by_key(|(deed, _)| *deed) } else { verbs.next() };
    if let Some((Deed::Reads, _)) = verb
        && !several
    {
        return verb;
    }
    if let Some(power) = words.iter().find(|word| POWERS.contains(&word.as_str())) {
        return Some((Deed::Commands, power.as_str()));
    }
    let large = words.iter().find(|word| LARGE.contains(&word.as_str()));
    match (verb, large) {
        (Some((Deed::Deletes, _)), Some(large)) => Some((Deed::Commands, large.as_str())),
        (verb, _) => verb,
    }
}
