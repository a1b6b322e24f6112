//! Media are streamed: their size does not show in the memory of the gateway.

use http::Method;

use crate::support::{Backend, Deployment, NUMBER, Process, Setup, on_every_ledger};

on_every_ledger!(downloads_do_not_fill_the_memory);

const SIZE: usize = 48 * 1024 * 1024;

async fn downloads_do_not_fill_the_memory(backend: Backend) {
    let deployment = Deployment::prepare(Setup::on(backend).own_server());
    let process = Process::serve(&deployment, &[]);
    let client = &process.client;
    let id = deployment.simulator.put_media("video/mp4", vec![7; SIZE]);
    let about = format!("/v24.0/{id}?phone_number_id={NUMBER}");
    let fetch = async || {
        let answer = client.data(Method::GET, &about).await;
        let url = answer.text("/url").to_owned();
        let path = url.strip_prefix(&format!("http://{}", client.data)).unwrap().to_owned();
        client.request(Method::GET, client.data, &path).await
    };
    let small = deployment.simulator.put_media("image/png", vec![7; 100]);
    let warm = format!("/v24.0/{small}?phone_number_id={NUMBER}");
    assert_eq!(client.data(Method::GET, &warm).await.status, 200);
    let mut peaks = vec![process.peak_memory()];
    for _ in 0..3 {
        let (one, two) = tokio::join!(fetch(), fetch());
        for fetched in [&one, &two] {
            assert_eq!((fetched.status, fetched.body.len()), (200, SIZE));
        }
        peaks.push(process.peak_memory());
    }
    eprintln!("peak memory before and after each two downloads of {SIZE} bytes: {peaks:?}");
    assert!(
        peaks[1].saturating_sub(peaks[0]) < SIZE,
        "the first two took more than buffers: {peaks:?}"
    );
    assert!(
        peaks[3].saturating_sub(peaks[1]) < SIZE / 4,
        "it grows with what is downloaded: {peaks:?}"
    );
}
