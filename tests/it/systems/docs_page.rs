//! `/docs` in a browser: it shows every operation, sends what is tried out, and needs nothing from elsewhere.

use super::browser::{Browser, Window};
use crate::support::Setup;

const LIST: &str = "#operations-inventory-listInstances";

/// Operations with many parameters, a body and much to say. To open all would take a minute.
const WIDE: [&str; 2] = ["#operations-tracking-createHook", "#operations-changes-listChanges"];

/// In pixels: a telephone, and a laptop.
const WIDTHS: [u32; 2] = [390, 1280];

#[tokio::test]
async fn the_page_of_the_api_shows_all_and_sends_requests() {
    let host = Setup::new(&["mock"]).default_provider("mock", "default").start().await;
    let description = host.client().get("/openapi.json").await.ok();
    let paths = description["paths"].as_object().expect("paths");
    let operations: usize = paths.values().map(|path| path.as_object().map_or(0, serde_json::Map::len)).sum();
    let browser = Browser::start().await;
    for width in WIDTHS {
        let window = browser.window(width).await;
        window.open(&format!("{}/docs", host.client().base())).await;
        let count = format!("return document.querySelectorAll('.opblock').length === {operations}");
        window.until("every operation is shown", &count).await;
        fits(&window, width).await;

        window.click(".auth-wrapper .authorize").await;
        window.write("input[name=username]", "mockuser").await;
        window.write("input[name=password]", "mockpassword").await;
        window.click(".auth-container .authorize").await;
        window.click(".btn-done").await;
        window.click(&format!("{LIST} .opblock-summary-control")).await;
        window.click(&format!("{LIST} .execute")).await;
        let answered = format!(
            "const live = document.querySelector('{LIST} .live-responses-table .response');
             return live !== null && live.textContent.startsWith('200') && live.textContent.includes('inst0')"
        );
        window.until("the request is answered", &answered).await;

        for operation in WIDE {
            window.click(&format!("{operation} .opblock-summary-control")).await;
            let open = format!("return document.querySelector('{operation}.is-open .responses-table') !== null");
            window.until("the operation is open", &open).await;
        }
        fits(&window, width).await;
        assert_eq!(window.complaints().await, Vec::<String>::new(), "at {width} pixels");
    }
}

/// Nothing scrolls sideways.
async fn fits(window: &Window<'_>, width: u32) {
    const SIZES: &str = "const { scrollWidth, clientWidth } = document.documentElement;
                         return [scrollWidth, clientWidth, window.innerWidth]";
    let sizes = window.run(SIZES).await;
    let size = |at: usize| sizes[at].as_u64().unwrap_or_else(|| panic!("sizes: {sizes}"));
    let (needed, there) = (size(0), size(1));
    assert_eq!(size(2), u64::from(width));
    assert!(needed <= there, "it is {needed} pixels wide, and {there} are there");
}
