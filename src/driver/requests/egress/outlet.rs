//! The hook into wasmtime: it passes each request of a sandbox to the poll's egress.

use std::sync::Arc;

use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::Egress;
use crate::driver::requests::pulse::Pulse;
use crate::net::home::at_home;

/// The most bytes that a guest writes into a body at once.
pub(in crate::driver) const BODY_CHUNK: usize = 16 << 10;
/// What a request takes in the host beside its head and body: its place among those that wait, and the future that
/// sends it.
const REQUEST_BYTES: usize = 8 << 10;

/// A sandbox's hold on its egress; none while a driver describes itself, which it does without HTTP.
pub(in crate::driver) struct Outlet(pub(in crate::driver) Option<Arc<Egress>>);

type Sending = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Outlet {
    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _processed: Sending,
    ) -> Box<dyn Future<Output = Result<(http::Response<WasiBody>, Sending), Error>> + Send> {
        let admitted = match &self.0 {
            None => Err(Error::HttpRequestDenied),
            Some(egress) if egress.memory.spend(REQUEST_BYTES).is_err() => Err(Error::HttpRequestDenied),
            Some(egress) => {
                let admitted = egress.admit(request.method(), request.uri()).map(|(url, client)| (url, client.clone()));
                let pulse = egress.wire.pulse.clone();
                admitted.map(|(url, client)| {
                    let home = client.home().clone();
                    (pulse, home, Arc::clone(egress).send(url, client, request))
                })
            }
        };
        Box::new(async move {
            let (pulse, home, sent) = admitted?;
            let asking = pulse.as_ref().map(Pulse::ask);
            // It ends with the sandbox, or when the host does.
            let response = at_home(&home, sent).await.map_err(|_| Error::ConnectionTerminated)??;
            drop(asking);
            if let Some(pulse) = pulse {
                pulse.heard();
            }
            Ok((response, Box::new(async { Ok(()) }) as Sending))
        })
    }
}
