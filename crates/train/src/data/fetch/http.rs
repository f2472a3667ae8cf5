//! One download from one address, going on where an earlier one ended.
//!
//! Nothing that a server says is believed: lengths are compared with what is expected, and no more than that is written.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use ureq::http::{HeaderMap, StatusCode};
use ureq::{Agent, Error, Proxy};

use super::Policy;

/// The largest file whose length was not published.
const MOST: u64 = 1 << 30;
/// Redirects that are followed.
const REDIRECTS: u32 = 5;

/// Why there is no file.
#[derive(Debug)]
pub(super) enum Fault {
    /// The user asked to stop.
    Stopped,
    /// This machine cannot write.
    Machine(io::Error),
    /// Another try may do better.
    Passing(String),
    /// Another try at this address would give the same.
    Lasting(String),
}

/// A client; one that refuses `http://`, redirects to it included, if the file has no checksum that guards it.
pub(super) fn agent(policy: &Policy, address: &str, guarded: bool) -> Agent {
    // The proxies of the environment, but for this machine, which they cannot reach.
    let own = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
    let is_own = own.iter().any(|own| address.starts_with(own));
    let proxy = Proxy::try_from_env().filter(|_| !is_own);
    Agent::config_builder()
        .proxy(proxy)
        .https_only(!guarded)
        .http_status_as_error(false)
        .max_redirects(REDIRECTS)
        .user_agent(concat!("unbiased/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(policy.connect))
        .timeout_recv_response(Some(policy.idle))
        .timeout_per_read(Some(policy.idle))
        .build()
        .new_agent()
}

/// Downloads the file of `expected` bytes at `address` to `part`.
pub(super) fn download(
    agent: &Agent,
    address: &str,
    part: &Path,
    expected: Option<u64>,
    stop: fn() -> bool,
    arrived: &mut dyn FnMut(u64),
) -> Result<(), Fault> {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(part)
        .map_err(Fault::Machine)?;
    let mut have = file.metadata().map_err(Fault::Machine)?.len();
    if expected.is_some_and(|expected| have > expected) {
        have = restart(&file)?;
    }
    if expected == Some(have) {
        return Ok(());
    }
    let mut request = agent.get(address);
    if have > 0 {
        request = request.header("Range", format!("bytes={have}-"));
    }
    let mut response = request.call().map_err(fault)?;
    let announced = match (response.status(), start(response.headers())) {
        (StatusCode::OK, _) => {
            have = restart(&file)?;
            length(response.headers())
        }
        (StatusCode::PARTIAL_CONTENT, Some(start)) if start == have => {
            length(response.headers()).map(|rest| have + rest)
        }
        // What is here is of no use to this server.
        (StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE, _) => {
            restart(&file)?;
            return Err(Fault::Passing(
                "sends another part of the file than was asked for".into(),
            ));
        }
        (status, _) => return Err(refused(status)),
    };
    let kind = response.headers().get("content-type");
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or("none");
    let kind = kind.to_owned();
    let mut from = response.body_mut().as_reader();
    let mut buffer = vec![0; 1 << 16];
    let mut first = true;
    loop {
        let n = from.read(&mut buffer).map_err(|error| {
            let problem = format!("after {have} bytes: {error}");
            Fault::Passing(problem)
        })?;
        if first && have == 0 {
            page(&buffer[..n], &kind)?;
        }
        if first
            && let (Some(announced), Some(expected)) = (announced, expected)
            && announced != expected
        {
            return Err(Fault::Lasting(format!(
                "announces {announced} bytes, expected {expected}"
            )));
        }
        first = false;
        if n == 0 {
            break;
        }
        let most = expected.unwrap_or(MOST);
        if have + n as u64 > most {
            restart(&file)?;
            return Err(Fault::Lasting(format!(
                "sends more than the {most} bytes that were expected"
            )));
        }
        file.write_all(&buffer[..n]).map_err(Fault::Machine)?;
        have += n as u64;
        arrived(have);
        if stop() {
            return Err(Fault::Stopped);
        }
    }
    match expected.or(announced) {
        Some(whole) if have < whole => Err(Fault::Passing(format!(
            "the connection ended after {have} of {whole} bytes"
        ))),
        _ => file.sync_all().map_err(Fault::Machine),
    }
}

/// Forgets what has arrived.
fn restart(file: &File) -> Result<u64, Fault> {
    file.set_len(0).map_err(Fault::Machine)?;
    Ok(0)
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get("content-length")?.to_str().ok()?.parse().ok()
}

/// The first byte of a partial answer: `Content-Range: bytes 7-99/100`.
fn start(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get("content-range")?.to_str().ok()?;
    let (start, _) = range.strip_prefix("bytes ")?.split_once('-')?;
    start.parse().ok()
}

/// Refuses a page for people in place of the file, with which mirrors answer that have moved or want a click.
fn page(first: &[u8], kind: &str) -> Result<(), Fault> {
    let text = String::from_utf8_lossy(&first[..first.len().min(60)]);
    let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let lower = text.to_ascii_lowercase();
    let is_page = lower.starts_with("<!doctype html") || lower.starts_with("<html");
    if is_page || (kind.starts_with("text/html") && lower.starts_with('<')) {
        return Err(Fault::Lasting(format!(
            "answers with a page, not with the file (content type {kind}, begins with `{text}`)"
        )));
    }
    Ok(())
}

const NO_HOST: &str = "no such host, or no network";

/// The library has no kind of error for this.
fn is_no_host(error: &io::Error) -> bool {
    let text = error.to_string();
    text.contains("failed to lookup address") || text.contains("No such host")
}

fn refused(status: StatusCode) -> Fault {
    let text = format!("HTTP status {status}");
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        Fault::Passing(text)
    } else {
        Fault::Lasting(text)
    }
}

fn fault(error: Error) -> Fault {
    match error {
        Error::TooManyRedirects => Fault::Lasting(format!("redirects more than {REDIRECTS} times")),
        Error::HostNotFound => Fault::Lasting(NO_HOST.into()),
        Error::Io(error) if is_no_host(&error) => Fault::Lasting(NO_HOST.into()),
        Error::Timeout(_) | Error::Io(_) | Error::ConnectionFailed => {
            Fault::Passing(error.to_string())
        }
        other => Fault::Lasting(other.to_string()),
    }
}
