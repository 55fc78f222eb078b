//! Is the body in the one format that the API reads, a form in UTF-8?

use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use http::header::CONTENT_TYPE;

use crate::inspect::violation::FormatFault;

const FORM: &[u8] = b"application/x-www-form-urlencoded";
const UTF_8: [&[u8]; 4] =
    [b"charset=utf-8", b"charset=utf8", b"charset=\"utf-8\"", b"charset=\"utf8\""];
const CHARSET: &[u8] = b"charset";

/// Refuses a head that says twice what its body is, even where there is none: one reader takes the
/// first, another one the last (RFC 9110 §5.3).
pub(super) fn said_once(headers: &HeaderMap) -> Result<(), FormatFault> {
    match headers.get_all(CONTENT_TYPE).iter().nth(1) {
        Some(_) => Err(FormatFault::ContentType),
        None => Ok(()),
    }
}

/// Refuses a body that the upstream could read as something else than the form judged here.
pub(super) fn judge(headers: &HeaderMap) -> Result<(), FormatFault> {
    if headers.contains_key(CONTENT_ENCODING) {
        return Err(FormatFault::ContentEncoding);
    }
    said_once(headers)?;
    match headers.get(CONTENT_TYPE) {
        Some(value) if is_form(value.as_bytes()) => Ok(()),
        Some(_) | None => Err(FormatFault::ContentType),
    }
}

/// Parameters other than the charset change no reading and pass. The value is cut at every
/// semicolon, inside quotes too, so that no parser can find a charset that was not seen here;
/// a comma would be a list of types.
fn is_form(value: &[u8]) -> bool {
    let mut parts = value.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
    parts.next().is_some_and(|media| media.eq_ignore_ascii_case(FORM))
        && !value.contains(&b',')
        && parts.all(|parameter| !mentions_charset(parameter) || is_utf_8(parameter))
}

fn mentions_charset(parameter: &[u8]) -> bool {
    parameter.windows(CHARSET.len()).any(|window| window.eq_ignore_ascii_case(CHARSET))
}

fn is_utf_8(parameter: &[u8]) -> bool {
    UTF_8.iter().any(|spelling| parameter.eq_ignore_ascii_case(spelling))
}

#[cfg(test)]
mod tests {
    use super::FormatFault;
    use super::judge;
    use http::HeaderMap;
    use http::HeaderValue;
    use http::header::CONTENT_ENCODING;
    use http::header::CONTENT_TYPE;

    fn of_types(types: &[&'static str]) -> Result<(), FormatFault> {
        let mut headers = HeaderMap::new();
        for media in types {
            headers.append(CONTENT_TYPE, HeaderValue::from_static(media));
        }
        judge(&headers)
    }

    #[test]
    fn a_form_in_utf_8_passes_in_any_spelling() {
        for media in [
            "application/x-www-form-urlencoded",
            "Application/X-WWW-Form-URLEncoded",
            "application/x-www-form-urlencoded;charset=UTF-8",
            "application/x-www-form-urlencoded; charset=utf8",
            "application/x-www-form-urlencoded ; Charset=\"Utf-8\"",
            "application/x-www-form-urlencoded;",
            "application/x-www-form-urlencoded; version=1",
        ] {
            assert_eq!(of_types(&[media]), Ok(()), "{media}");
        }
    }

    #[test]
    fn another_type_or_charset_is_refused() {
        for media in [
            "",
            "application/json",
            "multipart/form-data; boundary=x",
            "text/plain",
            "application/x-www-form-urlencodedx",
            "application/x-www-form-urlencoded, application/json",
            "application/x-www-form-urlencoded; a=b, application/json",
            "application/x-www-form-urlencoded; charset=utf-16",
            "application/x-www-form-urlencoded; charset=utf-7",
            "application/x-www-form-urlencoded; charset=ibm037",
            "application/x-www-form-urlencoded; charset=\"utf-16\"",
            "application/x-www-form-urlencoded; charset=utf-8; charset=utf-16",
            "application/x-www-form-urlencoded; charset = utf-16",
            "application/x-www-form-urlencoded; charset*=utf-16''x",
            "application/x-www-form-urlencoded; a=\"; charset=utf-16; b=\"",
            "application/x-www-form-urlencoded; charset",
        ] {
            assert_eq!(of_types(&[media]), Err(FormatFault::ContentType), "{media}");
        }
    }

    #[test]
    fn no_type_and_two_types_are_refused() {
        let form = "application/x-www-form-urlencoded";
        assert_eq!(of_types(&[]), Err(FormatFault::ContentType));
        assert_eq!(of_types(&[form, form]), Err(FormatFault::ContentType));
        assert_eq!(of_types(&[form, "application/json"]), Err(FormatFault::ContentType));
    }

    #[test]
    fn any_content_encoding_is_refused() {
        for coding in ["gzip", "deflate", "br", "identity", ""] {
            let mut headers = HeaderMap::new();
            headers.insert(
                CONTENT_TYPE,
                HeaderValue::from_static("application/x-www-form-urlencoded"),
            );
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
            assert_eq!(judge(&headers), Err(FormatFault::ContentEncoding), "{coding}");
        }
    }
}
