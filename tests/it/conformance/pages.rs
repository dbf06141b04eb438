//! Pages that no cassette shows: full ones, and further ones of a list that is short today.

use super::Lax;

/// Writes another text into each cassette that has the old one.
fn everywhere(lax: Lax, old: &str, new: &str) -> Lax {
    for entry in std::fs::read_dir(lax.cassettes()).expect("cassettes") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("text");
        std::fs::write(path, text.replace(old, new)).expect("written");
    }
    lax
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_entry_of_a_full_page_is_listed() {
    let limiting = |flaw: &str| everywhere(Lax::with(flaw), "page=", "limit=25&page=");
    limiting("limits-pages").fails("limits-pages", &[]).await;
    limiting("drops-last-of-full").fails("drops-last-of-full", &["many-pages"]).await;
}

/// The zones are given in pages as the servers are: by number, with the next one beside the list.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_one_page_goes_on_as_another_list_of_its_provider_does() {
    let numbered = |flaw: &str| {
        let lax = Lax::with(flaw);
        std::fs::remove_file(lax.cassettes().join("zones-two-pages.json")).expect("removed");
        let lax = everywhere(lax, "/zones\"", "/zones?page=1\"");
        everywhere(lax, "{ \"zones\": [", "{ \"next\": null, \"zones\": [")
    };
    numbered("pages-of-zones").fails("pages-of-zones", &[]).await;
    numbered("one-page-of-zones").fails("one-page-of-zones", &["many-pages"]).await;
    // Without a number in the request, the place for the next page in the answer shows it alone.
    let next = "{ \"next\": null, \"zones\": [";
    let led = everywhere(Lax::with("none"), "{ \"zones\": [", next);
    std::fs::remove_file(led.cassettes().join("zones-two-pages.json")).expect("removed");
    led.fails("a next page that nobody reads", &["many-pages"]).await;
}
