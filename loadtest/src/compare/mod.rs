//! `loadtest compare`: the gateway beside other proxies, in one run, on the same work, in turns, so
//! that what else the machine does falls on all alike.

mod latency;
mod machine;
mod measure;
mod options;
mod page;
mod peers;
mod report;
mod throughput;
mod variants;

use anyhow::ensure;

pub use options::CompareOptions;
use options::Part;
use peers::Ground;

/// Measures all and writes it down.
pub async fn compare(options: CompareOptions) -> anyhow::Result<()> {
    // Before anything is measured: minutes of work would be lost.
    let page = options.write.as_deref().map(page::Page::read).transpose()?;
    ensure!(options.gateway.exists(), "{} does not exist", options.gateway.display());
    let machine = machine::Machine::look();
    let ground = Ground::prepare(&options.gateway).await?;
    let mut measured = report::Measured::default();
    if options.measures(Part::Throughput) || options.measures(Part::Latency) {
        let mut running = throughput::start(&ground, &options).await?;
        measured.throughput = throughput::measure(&ground, &options, &mut running).await?;
        if options.measures(Part::Latency) {
            measured.latency =
                latency::measure(&ground, &options, &mut running, &measured.throughput).await?;
        }
    }
    if options.measures(Part::Variants) {
        measured.variants = variants::measure(&ground, &options).await?;
    }
    let text = report::write(&options, &machine, &measured);
    match page {
        Some(page) => page.write(&text),
        None => {
            println!("{text}");
            Ok(())
        }
    }
}
