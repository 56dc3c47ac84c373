//! The demo's shop: pages built ahead from `examples/shop`, served from an origin of their own, as any site would be.
//!
//! All files are read at the start and found by their names, so no path leads to anything else.

use std::{collections::HashMap, path::Path, sync::Arc};

use anyhow::{Context as _, ensure};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Redirect, Response},
};
use tokio::net::TcpListener;

/// What the tag of the guide, which is on every page, has in place of a server and of its write key.
const PLACEHOLDERS: [&str; 2] = ["http://127.0.0.1:8080", "WRITE_KEY"];
/// The page of the single-page application, for every path below it.
const APPLICATION: &str = "react/index.html";
const NOT_FOUND: &str = "404.html";

/// What is sent for a path.
#[derive(Debug)]
struct File {
    media_type: &'static str,
    bytes: Bytes,
}

/// A built shop, by the names of its files.
#[derive(Debug)]
pub(super) struct Shop(HashMap<String, File>);

impl Shop {
    /// Reads a built shop, whose pages then speak to the server at `base` with `write_key`.
    pub(super) fn open(dir: &Path, base: &str, write_key: &str) -> anyhow::Result<Self> {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
        ensure!(
            write_key.chars().all(is_plain),
            "the write key has other characters than letters, digits, - and _, so the shop's pages cannot name it"
        );
        let mut files = HashMap::new();
        read_folder(dir, "", &mut files)
            .with_context(|| format!("reading the shop in {}", dir.display()))?;
        ensure!(
            files.contains_key("index.html") && files.contains_key(NOT_FOUND),
            "{} holds no built shop: run `make shop`",
            dir.display()
        );
        for file in files.values_mut().filter(|file| file.media_type.starts_with("text/html")) {
            let text = String::from_utf8_lossy(&file.bytes);
            let [server, key] = PLACEHOLDERS;
            file.bytes = text.replace(server, base).replace(key, write_key).into();
        }
        Ok(Self(files))
    }

    /// Serves until the task ends.
    pub(super) async fn serve(self, listener: TcpListener) -> std::io::Result<()> {
        let app = Router::new().fallback(answer).with_state(Arc::new(self));
        axum::serve(listener, app).await
    }

    fn respond(&self, path: &str) -> Response {
        let name = path.trim_matches('/');
        let page = format!("{name}.html");
        let folder = format!("{name}/index.html");
        if let Some(file) = self.0.get(name).or_else(|| self.0.get(&page)) {
            return file.response(StatusCode::OK);
        }
        let in_folder = self.0.get(folder.trim_start_matches('/'));
        match in_folder {
            // Links on the page begin where it lies.
            Some(_) if !path.ends_with('/') => {
                Redirect::permanent(&format!("/{name}/")).into_response()
            }
            Some(file) => file.response(StatusCode::OK),
            None if name.starts_with("react/") => self.named(APPLICATION, StatusCode::OK),
            None => self.named(NOT_FOUND, StatusCode::NOT_FOUND),
        }
    }

    fn named(&self, name: &str, status: StatusCode) -> Response {
        self.0.get(name).map_or_else(|| status.into_response(), |file| file.response(status))
    }
}

impl File {
    fn response(&self, status: StatusCode) -> Response {
        let headers =
            [(header::CONTENT_TYPE, self.media_type), (header::CACHE_CONTROL, "no-cache")];
        (status, headers, self.bytes.clone()).into_response()
    }
}

async fn answer(State(shop): State<Arc<Shop>>, uri: Uri) -> Response {
    shop.respond(uri.path())
}

/// Reads every file of a folder and its folders under its path from the first one, with `/` between names.
fn read_folder(dir: &Path, prefix: &str, files: &mut HashMap<String, File>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let key = format!("{prefix}{name}");
        if path.is_dir() {
            read_folder(&path, &format!("{key}/"), files)?;
        } else {
            let bytes = std::fs::read(&path)?.into();
            files.insert(key, File { media_type: media_type(&path), bytes });
        }
    }
    Ok(())
}

fn media_type(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop() -> Shop {
        let dir = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let file = dir.path().join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        put("index.html", "<script src=\"http://127.0.0.1:8080/sdk/WRITE_KEY.js\"></script>");
        put("404.html", "sold out");
        put("plain.js", "WRITE_KEY");
        for path in ["cart.html", "sv/index.html", "product/toys-1.html", "react/index.html"] {
            put(path, path);
        }
        Shop::open(dir.path(), "http://127.0.0.1:9", "a-key").unwrap()
    }

    fn told(shop: &Shop, path: &str) -> String {
        let response = shop.respond(path);
        let header = |name| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        let told = header(header::LOCATION).or_else(|| header(header::CONTENT_TYPE));
        let told = told.unwrap_or_default().replace("; charset=utf-8", "");
        format!("{} {told} {}", response.status().as_u16(), body_of(response))
    }

    fn body_of(response: Response) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let bytes = runtime.block_on(axum::body::to_bytes(response.into_body(), 1_000)).unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn a_path_leads_to_its_page_and_to_nothing_outside_of_the_shop() {
        let shop = shop();
        let expected = [
            ("/", "200 text/html <script src=\"http://127.0.0.1:9/sdk/a-key.js\"></script>"),
            ("/plain.js", "200 text/javascript WRITE_KEY"),
            ("/cart", "200 text/html cart.html"),
            ("/product/toys-1", "200 text/html product/toys-1.html"),
            ("/sv", "308 /sv/ "),
            ("/sv/", "200 text/html sv/index.html"),
            ("/react/product/toys-1", "200 text/html react/index.html"),
            ("/product/none", "404 text/html sold out"),
            ("/../Cargo.toml", "404 text/html sold out"),
            ("//etc/passwd", "404 text/html sold out"),
        ];
        for (path, answer) in expected {
            assert_eq!(told(&shop, path), answer, "{path}");
        }
    }

    #[test]
    fn what_is_no_shop_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let refused =
            |key| Shop::open(dir.path(), "http://127.0.0.1:9", key).unwrap_err().to_string();
        assert!(refused("key").contains("holds no built shop"), "{}", refused("key"));
        assert!(refused("<script>").contains("cannot name it"));
    }
}
