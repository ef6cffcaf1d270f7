//! Pages that a server wants opened before it is called again (MCP 2025-11-25, URL mode elicitation, error -32042): asked in
//! the end of a call instead of during it.
//!
//! Must never let one leave that was not decided and recorded as any question is, or that is not `https`.

use model::client::ClientCapabilities;
use model::json::{Json, RawJson};
use model::limits::JsonLimits;
use model::method::Method;
use ports::upstream::{Answer, Question};

use crate::driver::Door;
use crate::question::{Between, Round};

/// The error that names the pages.
const REQUIRED: i64 = -32042;
/// Most pages of one call.
const PAGES_MAX: usize = 8;

impl Door {
    /// The answer with the pages that the client may be sent to: none, when it did not say that it can be.
    pub(crate) async fn pages(
        &self,
        between: &Between<'_>,
        client: ClientCapabilities,
        answer: Answer,
    ) -> Answer {
        let Answer::Error { code: REQUIRED, message, data } = answer else { return answer };
        let wanted =
            if client.has(ClientCapabilities::ELICIT_URL) { read(data.as_ref()) } else { Vec::new() };
        if wanted.is_empty() {
            return Answer::Error { code: REQUIRED, message, data: None };
        }
        let pending = self.ask_client(between, wanted).await;
        let shown: Vec<_> = pending.unsent.iter().flat_map(Round::questions).map(written).collect();
        // What comes of it shows in the next call only.
        self.settle(pending, Vec::new()).await;
        let data = (!shown.is_empty()).then(|| format!(r#"{{"elicitations":[{}]}}"#, shown.join(",")));
        let data = data.and_then(|text| RawJson::parse(text.into(), &JsonLimits::UPSTREAM).ok());
        Answer::Error { code: REQUIRED, message, data: data.map(|(data, _)| data) }
    }
}

fn written(question: &Question) -> String {
    question.params_raw.as_str().to_owned()
}

/// The pages of an error, as questions; none when one of them cannot be read or shown.
fn read(data: Option<&RawJson>) -> Vec<Question> {
    let tree = data.and_then(|data| Json::parse(data.as_bytes(), &JsonLimits::UPSTREAM).ok());
    let Some(Json::Array(pages)) = tree.as_ref().and_then(|tree| tree.get("elicitations")) else {
        return Vec::new();
    };
    if pages.len() > PAGES_MAX {
        return Vec::new();
    }
    let page = |(number, page): (usize, &Json)| {
        let text = |name: &str| page.get(name).and_then(Json::as_str);
        let fits = text("mode") == Some("url") && text("message").is_some() && is_safe(text("url")?);
        let members = [text("elicitationId").is_some(), page.get("_meta").is_none()];
        (fits && members == [true, true]).then(|| Question {
            key: format!("page-{number}").into(),
            method: Method::Elicit,
            params: page.clone(),
            params_raw: RawJson::from_tree(page),
        })
    };
    pages.iter().enumerate().map(page).collect::<Option<_>>().unwrap_or_default()
}

/// `https` to a host with nobody's name in front of it.
fn is_safe(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("https://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    !host.is_empty() && !host.contains(['@', '\\']) && url.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(elicitations: &str) -> usize {
        let text = format!(r#"{{"elicitations":{elicitations}}}"#);
        let (data, _) = RawJson::parse(text.into(), &JsonLimits::UPSTREAM).unwrap();
        read(Some(&data)).len()
    }

    fn page(url: &str) -> String {
        format!(r#"{{"mode":"url","elicitationId":"e","message":"m","url":"{url}"}}"#)
    }

    #[test]
    fn pages_are_read_all_or_none() {
        let good = page("https://a.example/x?y=z@w");
        assert_eq!(pages(&format!("[{good}]")), 1);
        assert_eq!(pages(&format!("[{good},{good}]")), 2);
        for bad in [
            "http://a.example/",
            "https://",
            "https://u@a.example/",
            "https://a\\\\@b/",
            "file:///x",
            "https://a /",
        ] {
            assert_eq!(pages(&format!("[{good},{}]", page(bad))), 0, "{bad}");
        }
        for none in ["[]", "{}", "[1]", r#"[{"mode":"form","url":"https://a.example/","message":"m"}]"#] {
            assert_eq!(pages(none), 0, "{none}");
        }
        assert_eq!(pages(&format!("[{}]", vec![good; PAGES_MAX + 1].join(","))), 0);
    }
}
