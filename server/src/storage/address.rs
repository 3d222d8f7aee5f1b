//! Where a store across a network lies, as it is written.

use std::fmt;
use std::str::FromStr;

use crate::loopback::is_this_machine;
use hyper::http::Uri;
use object_store::path::Path;

/// `s3://BUCKET[/PREFIX]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
    pub(super) name: String,
    /// What the names of all objects begin with.
    pub(super) prefix: Path,
}

impl FromStr for Bucket {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Somebody may take it for an address that has a user and a password.
        let got = if text.contains('@') { String::new() } else { format!(", got {text:?}") };
        let wanted = || format!("expected s3://BUCKET or s3://BUCKET/PREFIX{got}");
        let rest = text.strip_prefix("s3://").ok_or_else(wanted)?;
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        // The rules of Amazon, which those who do the same have too.
        let is_name = (3..=63).contains(&name.len())
            && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
            && !name.starts_with(['-', '.'])
            && !name.ends_with(['-', '.'])
            && !name.contains("..");
        if !is_name {
            return Err(format!("{}: a bucket has 3 to 63 small letters, digits, `-` and `.` for a name", wanted()));
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/' | b'=');
        let has_dots = || prefix.split('/').any(|part| matches!(part, "." | ".."));
        if prefix.len() > 256 || !prefix.bytes().all(is_plain) || has_dots() || prefix.contains("//") {
            return Err(format!(
                "{}: a prefix has letters, digits, `-`, `_`, `.`, `=` and single `/`, and at most 256 of them",
                wanted()
            ));
        }
        let prefix = Path::parse(prefix).map_err(|error| format!("{}: {error}", wanted()))?;
        Ok(Self { name: name.to_owned(), prefix })
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slash = if self.prefix.as_ref().is_empty() { "" } else { "/" };
        write!(formatter, "s3://{}{slash}{}", self.name, self.prefix)
    }
}

/// `http[s]://HOST[:PORT]`: who has the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    url: String,
    host: String,
    is_tls: bool,
}

impl Endpoint {
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) const fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Whether what is sent there may go in clear: to this machine, or to whom the
    /// operator named.
    pub(super) fn may_be_clear(&self, named: &[String]) -> bool {
        let host = self.host.trim_matches(['[', ']']);
        is_this_machine(host) || named.iter().any(|name| name.eq_ignore_ascii_case(host))
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // With a user there is a password in it.
        let got = if text.contains('@') { String::new() } else { format!(", got {text:?}") };
        let wanted =
            || format!("expected an endpoint without a user such as https://s3.example or http://127.0.0.1:9000{got}");
        let url = text.trim_end_matches('/');
        let uri: Uri = url.parse().map_err(|_| wanted())?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wanted()),
        };
        let authority = uri.authority().ok_or_else(wanted)?;
        let has_user = authority.as_str().contains('@');
        if uri.query().is_some() || text.contains('#') || has_user || authority.host().is_empty() {
            return Err(wanted());
        }
        Ok(Self { url: url.to_owned(), host: authority.host().to_ascii_lowercase(), is_tls })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_and_its_prefix_are_what_is_written() {
        for (text, name, prefix) in [
            ("s3://belljar", "belljar", ""),
            ("s3://belljar/", "belljar", ""),
            ("s3://my.bucket-1/a/b_c/", "my.bucket-1", "a/b_c"),
            ("s3://abc/team=one", "abc", "team=one"),
        ] {
            let bucket: Bucket = text.parse().unwrap();
            assert_eq!((bucket.name.as_str(), bucket.prefix.as_ref()), (name, prefix), "{text}");
            assert_eq!(bucket.to_string(), text.trim_end_matches('/'));
        }
        for text in [
            "",
            "s3://",
            "s3:///a",
            "s3://ab",
            "s3://Abc",
            "s3://a_b",
            "s3://-abc",
            "s3://a..b",
            "gs://abc",
            "abc",
            "s3://abc/../x",
            "s3://abc/a//b",
            "s3://abc/a b",
            "s3://abc/ä",
            "s3://abc/a?x",
            "s3://user@abc/x",
        ] {
            let refused = text.parse::<Bucket>().unwrap_err();
            assert!(refused.starts_with("expected s3://BUCKET or s3://BUCKET/PREFIX"), "{text}: {refused}");
            assert!(!refused.contains("user@"), "{refused}");
        }
    }

    #[test]
    fn what_may_go_in_clear_stays_on_this_machine_or_is_named() {
        let named = ["minio".to_owned(), "s3.house".to_owned()];
        for (text, expected) in [
            ("http://127.0.0.1:9000", true),
            ("http://localhost:9000/", true),
            ("http://[::1]:9000", true),
            ("http://[::ffff:127.0.0.1]", true),
            ("http://MINIO:9000", true),
            ("http://s3.house", true),
            ("http://minio.example", false),
            ("http://10.0.0.1", false),
            ("http://localhost.example", false),
            ("http://169.254.169.254", false),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!((endpoint.may_be_clear(&named), endpoint.is_tls()), (expected, false), "{text}");
        }
        assert!("https://s3.example".parse::<Endpoint>().unwrap().is_tls());
        for text in ["", "s3.example", "ftp://s3.example", "https://", "https://u:p@s3.example", "https://s3.example?x"]
        {
            let refused = text.parse::<Endpoint>().unwrap_err();
            assert!(refused.starts_with("expected an endpoint") && !refused.contains("u:p@"), "{refused}");
        }
    }
}
