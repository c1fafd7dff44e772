//! A real browser, driven over the DevTools protocol: <https://chromedevtools.github.io/devtools-protocol/>.
//!
//! Its calls block; stories make them with [`Browser::play`], beside whatever they run themselves.

use std::{
    net::TcpStream,
    path::PathBuf,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::world::Fallible;

/// Programs that are such a browser.
const PROGRAMS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];
/// How long anything may take.
const WITHIN: Duration = Duration::from_secs(30);
/// The size of a phone.
const PHONE: (u32, u32) = (390, 844);

/// A running browser with one page.
pub(crate) struct Browser {
    child: Child,
    _profile: tempfile::TempDir,
    socket: WebSocket<TcpStream>,
    calls: u64,
    /// How often the page has been loaded.
    loads: usize,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Finds a browser on this machine.
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    PROGRAMS.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file()))
}

impl Browser {
    /// Starts a browser; none when there is none on this machine, which is said.
    pub(crate) fn start() -> Fallible<Option<Self>> {
        let Some(program) = program() else {
            #[expect(clippy::print_stderr, reason = "whoever runs the tests must see that one was left out")]
            {
                eprintln!("left out: no Chromium is installed, so nobody looks at the pages with a browser");
            }
            return Ok(None);
        };
        let profile = tempfile::tempdir()?;
        #[expect(clippy::disallowed_methods, reason = "a browser is no renderer: nothing of ours is given to it")]
        let mut command = std::process::Command::new(program);
        let child = command
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--no-proxy-server"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--remote-debugging-port=0", &format!("--window-size={},{}", PHONE.0, PHONE.1)])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let port_file = profile.path().join("DevToolsActivePort");
        let ready = asked("the browser listens", || {
            let text = std::fs::read_to_string(&port_file).unwrap_or_default();
            Ok(text.lines().next().and_then(|port| port.parse::<u16>().ok()).filter(|_| text.lines().count() > 1))
        });
        let port = ready?;
        let pages: Value = asked("the browser has a page", || {
            let body = get(port, "/json/list")?;
            let pages: Value = serde_json::from_str(&body)?;
            Ok(pages.as_array().is_some_and(|pages| pages.iter().any(|page| page["type"] == "page")).then_some(pages))
        })?;
        let pages = pages.as_array().into_iter().flatten();
        let page = pages.into_iter().find(|page| page["type"] == "page").ok_or("no page")?;
        let url = page["webSocketDebuggerUrl"].as_str().ok_or("no address of the page")?;
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(WITHIN))?;
        let (socket, _) = tungstenite::client(url, stream).map_err(|error| error.to_string())?;
        let mut browser = Self { child, _profile: profile, socket, calls: 0, loads: 0 };
        browser.call("Page.enable", json!({}))?;
        Ok(Some(browser))
    }

    /// Does what blocks, while the story's own forge goes on.
    pub(crate) fn play<T>(&mut self, act: impl FnOnce(&mut Self) -> Fallible<T>) -> Fallible<T> {
        tokio::task::block_in_place(|| act(self))
    }

    /// Lets pages run scripts, or not.
    pub(crate) fn scripts(&mut self, run: bool) -> Fallible<()> {
        self.call("Emulation.setScriptExecutionDisabled", json!({ "value": !run })).map(drop)
    }

    /// Opens an address, and waits until it is there.
    pub(crate) fn open(&mut self, url: &str) -> Fallible<()> {
        let before = self.loads;
        let answer = self.call("Page.navigate", json!({ "url": url }))?;
        if let Some(error) = answer["errorText"].as_str() {
            return Err(format!("could not open {url}: {error}").into());
        }
        self.loaded_after(before)
    }

    /// Returns what a person reads on the page.
    pub(crate) fn text(&mut self) -> Fallible<String> {
        self.evaluate("document.body.innerText")
    }

    /// Returns the address of the page, without its host.
    pub(crate) fn path(&mut self) -> Fallible<String> {
        self.evaluate("location.pathname + location.search")
    }

    /// Writes into a field as a person does: puts the focus there and types.
    pub(crate) fn type_into(&mut self, field: &str, text: &str) -> Fallible<()> {
        self.evaluate(&format!("document.querySelector({}).focus(), ''", json!(field)))?;
        self.call("Input.insertText", json!({ "text": text })).map(drop)
    }

    /// Follows a link or presses a button, by keyboard, and waits for the next page.
    pub(crate) fn press(&mut self, what: &str) -> Fallible<()> {
        let before = self.loads;
        let script = format!(
            "(() => {{ const all = [...document.querySelectorAll('a, button')];
               const one = all.find((e) => (e.getAttribute('aria-label') || e.textContent).trim() === {});
               if (!one) return 'missing'; one.focus(); return document.activeElement === one ? '' : 'no focus'; }})()",
            json!(what)
        );
        let missing: String = self.evaluate(&script)?;
        if !missing.is_empty() {
            return Err(format!("`{what}`: {missing}, on:\n{}", self.text()?).into());
        }
        let enter = json!({"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"});
        for kind in ["keyDown", "keyUp"] {
            let mut event = enter.clone();
            event["type"] = json!(kind);
            self.call("Input.dispatchKeyEvent", event)?;
        }
        self.loaded_after(before)
    }

    /// Evaluates a script that results in text; also where the page itself may run none.
    pub(crate) fn evaluate(&mut self, script: &str) -> Fallible<String> {
        let answer = self.call("Runtime.evaluate", json!({ "expression": script, "returnByValue": true }))?;
        match answer["result"]["value"].as_str() {
            Some(text) => Ok(text.to_owned()),
            None => Err(format!("`{script}` came to {answer}").into()),
        }
    }

    /// Asks the page again and again until it reads so.
    pub(crate) fn wait_for(&mut self, words: &str) -> Fallible<()> {
        let until = Instant::now() + WITHIN;
        loop {
            let text = self.text()?;
            if text.contains(words) {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(format!("`{words}` did not come:\n{text}").into());
            }
        }
    }

    fn loaded_after(&mut self, before: usize) -> Fallible<()> {
        let until = Instant::now() + WITHIN;
        while self.loads == before {
            if Instant::now() > until {
                return Err("the page does not come".into());
            }
            self.read()?;
        }
        Ok(())
    }

    fn call(&mut self, method: &str, params: Value) -> Fallible<Value> {
        self.calls += 1;
        let id = self.calls;
        let text = json!({ "id": id, "method": method, "params": params }).to_string();
        self.socket.send(Message::text(text))?;
        loop {
            let mut message = self.read()?;
            if message["id"] == json!(id) {
                if !message["error"].is_null() {
                    return Err(format!("{method}: {}", message["error"]).into());
                }
                return Ok(message["result"].take());
            }
        }
    }

    fn read(&mut self) -> Fallible<Value> {
        loop {
            if let Message::Text(text) = self.socket.read()? {
                let message: Value = serde_json::from_str(text.as_str())?;
                self.loads += usize::from(message["method"] == "Page.loadEventFired");
                return Ok(message);
            }
        }
    }
}

/// Asks until there is an answer.
fn asked<T>(what: &str, mut ask: impl FnMut() -> Fallible<Option<T>>) -> Fallible<T> {
    let until = Instant::now() + WITHIN;
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if Instant::now() > until {
            return Err(format!("it took too long until {what}").into());
        }
        std::thread::yield_now();
    }
}

/// Asks the browser itself; its answers are short and end with the connection.
fn get(port: u16, path: &str) -> Fallible<String> {
    use std::io::{Read, Write};
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(WITHIN))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n")?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte)? == 1 {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.ok_or("the browser does not say how long its answer is")?];
    stream.read_exact(&mut body)?;
    Ok(String::from_utf8(body)?)
}
