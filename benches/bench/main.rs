//! Measures what the project promises, in one run, and prints it beside the promise. The machine may be
//! shared and noisy: of each row the best and the median of many rounds are shown, and what counts is the
//! ratio of the median to the bound.

mod compare;
mod host;
mod process;
mod provider;
mod table;

use table::Table;

fn main() {
    // `cargo bench` passes its own flags; the one that matters here says that this is the child that serves.
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, flag, instances, zones] = &arguments[..]
        && flag == provider::FLAG
    {
        return provider::serve(&provider::Answers { instances, zones });
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let mut table = Table::default();
    runtime.block_on(async {
        host::sandbox(&mut table).await;
        host::lifting(&mut table).await;
        host::ec2_poll(&mut table).await;
        compare::unchanged(&mut table);
        host::unchanged(&mut table).await;
    });
    drop(runtime);
    process::start(&mut table);
    process::memory(&mut table);
    table.print();
}
