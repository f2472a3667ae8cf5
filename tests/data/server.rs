//! A server on this machine that answers as the worst ones do.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What happens when a path is asked for.
#[derive(Clone)]
pub(crate) enum Answer {
    /// The file, from where it is asked for.
    File(Vec<u8>),
    /// The whole file, whatever part is asked for.
    Whole(Vec<u8>),
    /// Promises the file and breaks off after so many bytes; from then on as `File`.
    BreaksOff(Vec<u8>, usize),
    /// Promises the file and says nothing more after so many bytes.
    Stalls(Vec<u8>, usize),
    /// The bytes, with another length in the header.
    Lies(Vec<u8>, usize),
    /// The bytes with no length in the header.
    Unmeasured(Vec<u8>),
    /// Elsewhere.
    Redirect(String),
    /// A page, with status 200.
    Page,
    /// A status and nothing else.
    Status(u16),
}

/// A path, and the range that was asked for.
pub(crate) type Asked = (String, Option<String>);

/// The server; it ends with the process.
pub(crate) struct Server {
    pub(crate) url: String,
    /// Paths asked for, with their `Range`.
    pub(crate) asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub(crate) fn new(answers: &[(&str, Answer)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let answers: HashMap<String, Answer> = answers
            .iter()
            .map(|(path, answer)| ((*path).to_owned(), answer.clone()))
            .collect();
        let (answers, log) = (Arc::new(answers), Arc::clone(&asked));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (answers, log) = (Arc::clone(&answers), Arc::clone(&log));
                // A client that goes away is no failure of the server.
                thread::spawn(move || stream.map(|stream| serve(stream, &answers, &log)));
            }
        });
        Self { url, asked }
    }

    pub(crate) fn ranges(&self) -> Vec<Option<String>> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|(_, range)| range.clone()).collect()
    }
}

fn serve(
    mut stream: TcpStream,
    answers: &HashMap<String, Answer>,
    log: &Mutex<Vec<(String, Option<String>)>>,
) -> std::io::Result<()> {
    let mut path = String::new();
    let mut range = None;
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some(rest) = line.strip_prefix("GET ") {
            rest.split(' ')
                .next()
                .unwrap_or_default()
                .clone_into(&mut path);
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("range: ") {
            range = Some(value.to_owned());
        }
    }
    let seen = {
        let mut log = log.lock().unwrap();
        log.push((path.clone(), range.clone()));
        log.iter().filter(|(p, _)| *p == path).count()
    };
    let start: usize = range
        .as_deref()
        .and_then(|range| {
            range
                .strip_prefix("bytes=")?
                .strip_suffix('-')?
                .parse()
                .ok()
        })
        .unwrap_or(0);
    let head = |status: &str, length: Option<usize>, more: &str| {
        let length = length.map_or(String::new(), |n| format!("Content-Length: {n}\r\n"));
        format!("HTTP/1.1 {status}\r\nConnection: close\r\n{length}{more}\r\n")
    };
    let part = |stream: &mut TcpStream, bytes: &[u8]| -> std::io::Result<()> {
        if start == 0 {
            stream.write_all(head("200 OK", Some(bytes.len()), "").as_bytes())?;
            return stream.write_all(bytes);
        }
        if start >= bytes.len() {
            return stream.write_all(head("416 Range Not Satisfiable", Some(0), "").as_bytes());
        }
        let more = format!(
            "Content-Range: bytes {start}-{}/{}\r\n",
            bytes.len() - 1,
            bytes.len()
        );
        let length = bytes.len() - start;
        stream.write_all(head("206 Partial Content", Some(length), &more).as_bytes())?;
        stream.write_all(&bytes[start..])
    };
    match answers.get(&path) {
        Some(Answer::File(bytes)) => part(&mut stream, bytes),
        Some(Answer::BreaksOff(bytes, _)) if seen > 1 => part(&mut stream, bytes),
        Some(Answer::Whole(bytes)) => {
            stream.write_all(head("200 OK", Some(bytes.len()), "").as_bytes())?;
            stream.write_all(bytes)
        }
        Some(Answer::BreaksOff(bytes, n)) => {
            stream.write_all(head("200 OK", Some(bytes.len()), "").as_bytes())?;
            stream.write_all(&bytes[..*n])
        }
        Some(Answer::Stalls(bytes, n)) => {
            stream.write_all(head("200 OK", Some(bytes.len()), "").as_bytes())?;
            stream.write_all(&bytes[..*n])?;
            stream.flush()?;
            thread::sleep(Duration::from_secs(20));
            Ok(())
        }
        Some(Answer::Lies(bytes, length)) => {
            stream.write_all(head("200 OK", Some(*length), "").as_bytes())?;
            stream.write_all(bytes)
        }
        Some(Answer::Unmeasured(bytes)) => {
            stream.write_all(head("200 OK", None, "").as_bytes())?;
            stream.write_all(bytes)
        }
        Some(Answer::Redirect(to)) => {
            stream.write_all(head("302 Found", Some(0), &format!("Location: {to}\r\n")).as_bytes())
        }
        Some(Answer::Page) => {
            let page = b"<!DOCTYPE html>\n<html><body>Please accept our cookies</body></html>";
            let more = "Content-Type: text/html; charset=utf-8\r\n";
            stream.write_all(head("200 OK", Some(page.len()), more).as_bytes())?;
            stream.write_all(page)
        }
        Some(Answer::Status(status)) => {
            stream.write_all(head(&format!("{status} No"), Some(0), "").as_bytes())
        }
        None => stream.write_all(head("404 Not Found", Some(0), "").as_bytes()),
    }
}
