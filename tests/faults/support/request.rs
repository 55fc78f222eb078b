//! Requests as they go over the wire. Each has an id, which the upstream's answer repeats.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Lists the sessions of the service with this number.
pub(crate) fn get(service: usize, id: &str) -> Vec<u8> {
    format!("GET {} HTTP/1.1\r\n{}\r\n", path(service), fields(id)).into_bytes()
}

/// Creates a session of the service with this number.
pub(crate) fn post(service: usize, id: &str) -> Vec<u8> {
    form(service, id, &format!("UniqueName={id}"))
}

/// The same with a body of one's own.
pub(crate) fn form(service: usize, id: &str, form: &str) -> Vec<u8> {
    format!("{}{form}", form_head(service, id, form.len())).into_bytes()
}

/// The head of a request whose body has this length.
pub(crate) fn form_head(service: usize, id: &str, length: usize) -> String {
    format!(
        "POST {} HTTP/1.1\r\n{}content-type: application/x-www-form-urlencoded\r\n\
         content-length: {length}\r\n\r\n",
        path(service),
        fields(id)
    )
}

/// Asks for a page of the admin listener.
pub(crate) fn page(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n").into_bytes()
}

fn path(service: usize) -> String {
    format!("/v1/Services/KS{service:032x}/Sessions")
}

fn fields(id: &str) -> String {
    let credentials = STANDARD.encode("AC00000000000000000000000000000001:password");
    format!("host: gateway\r\nauthorization: Basic {credentials}\r\nx-request-id: {id}\r\n")
}
