//! The functions of WASI with which a guest makes the host keep data, each with its cost: headers, the parts of a
//! request, its body. They replace wasmtime's functions in the linker, charge the poll's memory, and then do what
//! wasmtime's do. The charge is returned with the sandbox, even if the guest drops the data before: a legitimate driver
//! makes only as many requests as a poll may, and each is small.
//!
//! Every other function of WASI keeps nothing, or no more than `drivers.limits.handles` bounds.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, LinkerInstance, Resource, ResourceTableError};
use wasmtime_wasi::WasiView as _;
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::io::poll::Host as _;
use wasmtime_wasi_http::p2::HeaderResult;
use wasmtime_wasi_http::p2::bindings::http::types::{
    HeaderError, HostFields, HostIncomingResponse, HostOutgoingRequest, HostOutgoingResponse, IncomingResponse, Method,
    OutgoingBody, OutgoingRequest, OutgoingResponse, Scheme,
};
use wasmtime_wasi_http::{FieldMap, FieldMapError, WasiHttpView as _};

use super::Sandbox;
use crate::driver::requests::egress::BODY_CHUNK;

/// The interfaces as wasmtime names them; components may name any other patch release.
const HTTP: &str = "wasi:http/types@0.2.12";
pub(in crate::driver) const POLL: &str = "wasi:io/poll@0.2.12";

/// What one header takes beside the bytes of its name and value: twice its place in the map, since maps double, and two
/// allocations.
const HEADER: usize = 256;
/// What a handle takes: its place in the table, and an empty map or request behind it.
const HANDLE: usize = 512;
/// What a body takes that nobody reads: two chunks may wait in it, beside its channels.
const BODY: usize = 2 * BODY_CHUNK + (4 << 10);
/// The longest method of a request; those that are registered have at most 17 letters.
const METHOD_BYTES: usize = 64;

type Called<'a> = StoreContextMut<'a, Sandbox>;

/// Puts the functions into the linker, in the place of wasmtime's.
pub(in crate::driver) fn charge(linker: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut http = linker.instance(HTTP)?;
    fields(&mut http)?;
    requests(&mut http)?;
    let mut poll = linker.instance(POLL)?;
    poll.func_wrap_async("poll", |mut store: Called<'_>, (pollables,): (Vec<Resource<DynPollable>>,)| {
        Box::new(async move {
            // There are no more than there are handles: more would be the same ones over and over.
            if pollables.len() > store.data().limits().handles {
                return Err(ResourceTableError::Full.into());
            }
            Ok((store.data_mut().ctx().table.poll(pollables).await?,))
        })
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

fn fields(http: &mut LinkerInstance<'_, Sandbox>) -> wasmtime::Result<()> {
    http.func_wrap("[constructor]fields", |mut store: Called<'_>, (): ()| {
        store.data().spend(HANDLE)?;
        Ok((HostFields::new(&mut store.data_mut().http())?,))
    })?;
    http.func_wrap("[static]fields.from-list", |mut store: Called<'_>, (entries,): (Vec<(String, Vec<u8>)>,)| {
        let sizes = entries.iter().map(|(name, value)| name.len() + value.len());
        let bytes = header_bytes(store.data(), sizes)?;
        store.data().spend(HANDLE + bytes)?;
        Ok((told(store.data_mut().http().from_list(entries))?,))
    })?;
    http.func_wrap(
        "[method]fields.set",
        |mut store: Called<'_>, (fields, name, values): (Resource<FieldMap>, String, Vec<Vec<u8>>)| {
            let bytes = header_bytes(store.data(), values.iter().map(Vec::len))?;
            store.data().spend(name.len() + bytes)?;
            Ok((told(store.data_mut().http().set(fields, name, values))?,))
        },
    )?;
    http.func_wrap(
        "[method]fields.append",
        |mut store: Called<'_>, (fields, name, value): (Resource<FieldMap>, String, Vec<u8>)| {
            let bytes = header_bytes(store.data(), [name.len() + value.len()].into_iter())?;
            store.data().spend(bytes)?;
            Ok((told(store.data_mut().http().append(fields, name, value))?,))
        },
    )?;
    http.func_wrap("[method]fields.clone", |mut store: Called<'_>, (fields,): (Resource<FieldMap>,)| {
        // The copy is made when it is first changed, and then it is whole.
        let map = store.data_mut().ctx().table.get(&fields)?;
        let bytes = map.iter().map(|(name, value)| name.as_str().len() + value.len() + HEADER).sum::<usize>();
        store.data().spend(HANDLE + bytes)?;
        Ok((HostFields::clone(&mut store.data_mut().http(), fields)?,))
    })
}

fn requests(http: &mut LinkerInstance<'_, Sandbox>) -> wasmtime::Result<()> {
    type Request = Resource<OutgoingRequest>;
    type Refusable = Result<(), ()>;

    http.func_wrap("[constructor]outgoing-request", |mut store: Called<'_>, (headers,): (Resource<FieldMap>,)| {
        store.data().spend(HANDLE)?;
        Ok((HostOutgoingRequest::new(&mut store.data_mut().http(), headers)?,))
    })?;
    http.func_wrap("[method]outgoing-request.headers", |mut store: Called<'_>, (request,): (Request,)| {
        store.data().spend(HANDLE)?;
        Ok((HostOutgoingRequest::headers(&mut store.data_mut().http(), request)?,))
    })?;
    http.func_wrap(
        "[method]incoming-response.headers",
        |mut store: Called<'_>, (response,): (Resource<IncomingResponse>,)| {
            store.data().spend(HANDLE)?;
            Ok((HostIncomingResponse::headers(&mut store.data_mut().http(), response)?,))
        },
    )?;
    http.func_wrap(
        "[method]outgoing-request.set-method",
        |mut store: Called<'_>, (request, method): (Request, Method)| -> wasmtime::Result<(Refusable,)> {
            if let Method::Other(method) = &method
                && method.len() > METHOD_BYTES
            {
                return Ok((Err(()),));
            }
            Ok((store.data_mut().http().set_method(request, method)?,))
        },
    )?;
    http.func_wrap(
        "[method]outgoing-request.set-path-with-query",
        |mut store: Called<'_>, (request, path): (Request, Option<String>)| {
            store.data().spend(path.as_ref().map_or(0, String::len))?;
            Ok((store.data_mut().http().set_path_with_query(request, path)?,))
        },
    )?;
    http.func_wrap(
        "[method]outgoing-request.set-scheme",
        |mut store: Called<'_>, (request, scheme): (Request, Option<Scheme>)| {
            if let Some(Scheme::Other(scheme)) = &scheme {
                store.data().spend(scheme.len())?;
            }
            Ok((store.data_mut().http().set_scheme(request, scheme)?,))
        },
    )?;
    http.func_wrap(
        "[method]outgoing-request.set-authority",
        |mut store: Called<'_>, (request, authority): (Request, Option<String>)| {
            store.data().spend(authority.as_ref().map_or(0, String::len))?;
            Ok((store.data_mut().http().set_authority(request, authority)?,))
        },
    )?;
    type Body = Result<Resource<OutgoingBody>, ()>;
    http.func_wrap(
        "[method]outgoing-request.body",
        |mut store: Called<'_>, (request,): (Request,)| -> wasmtime::Result<(Body,)> {
            store.data().spend(BODY)?;
            Ok((HostOutgoingRequest::body(&mut store.data_mut().http(), request)?,))
        },
    )?;
    http.func_wrap(
        "[method]outgoing-response.body",
        |mut store: Called<'_>, (response,): (Resource<OutgoingResponse>,)| -> wasmtime::Result<(Body,)> {
            store.data().spend(BODY)?;
            Ok((HostOutgoingResponse::body(&mut store.data_mut().http(), response)?,))
        },
    )
}

/// What headers of these sizes take. Those that no map has room for are refused as the map would refuse them, before
/// anything is made of them.
fn header_bytes(sandbox: &Sandbox, sizes: impl ExactSizeIterator<Item = usize>) -> wasmtime::Result<usize> {
    let count = sizes.len();
    let bytes = sizes.sum::<usize>();
    if count.saturating_mul(size_of::<http::HeaderValue>()).saturating_add(bytes)
        > sandbox.limits().request_header_bytes
    {
        return Err(FieldMapError::TotalSizeTooBig.into());
    }
    Ok(bytes + count * HEADER)
}

/// An error of headers is the guest's to handle, or ends it.
fn told<T>(result: HeaderResult<T>) -> wasmtime::Result<Result<T, HeaderError>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) => Ok(Err(error.downcast()?)),
    }
}
