//! The REST half: checks who calls and how much, and words the reply (Binance spot API, general endpoints).
//!
//! Start at [`answer`]. The order of the checks: ban, weight, path, parameters, key, clock, signature, rights, the request
//! itself.

use super::{
    Call, Caller,
    auth::{self, Signed},
    endpoints::{Endpoint, Security},
    error::ApiError,
    params::Params,
};
use crate::world::{HttpRequest, HttpResponse};

/// A reply, and what is to be known about it.
pub(super) struct Answer {
    pub(super) response: HttpResponse,
    pub(super) endpoint: Option<Endpoint>,
}

/// Handles one request. What it does to the exchange happens now.
pub(super) fn answer(request: &HttpRequest, call: &mut Call<'_>) -> Answer {
    let (endpoint, exists) = Endpoint::of_rest(&request.method, &request.path);
    let Some(endpoint) = endpoint else {
        return Answer { response: no_such_path(&request.path, exists), endpoint: None };
    };
    let body = form_of(&request.body);
    let mut user = None;
    let result = Params::from_http(&request.query, &body).and_then(|params| {
        let weight = endpoint.weight(&params);
        call.state.limits.charge(weight, call.t_ns)?;
        let caller = caller_of(endpoint, request, &body, &params, call)?;
        user = caller.map(|caller| caller.user_id);
        let row = endpoint.run(&params, call, caller)?;
        if endpoint.is_order_write() {
            call.state.limits.give_back(weight, call.t_ns);
        }
        Ok(row)
    });
    let used = call.state.limits.used_weight(call.t_ns).to_string();
    let mut headers = vec![
        ("content-type".to_owned(), "application/json;charset=UTF-8".to_owned()),
        ("x-mbx-uuid".to_owned(), format!("{:016x}", call.t_ns)),
        ("x-mbx-used-weight".to_owned(), used.clone()),
        ("x-mbx-used-weight-1m".to_owned(), used),
    ];
    if matches!(endpoint, Endpoint::Place | Endpoint::CancelReplace)
        && let Some(user) = user
    {
        let (of_10s, of_day) = call.state.limits.order_counts(user, call.t_ns);
        headers.push(("x-mbx-order-count-10s".to_owned(), of_10s.to_string()));
        headers.push(("x-mbx-order-count-1d".to_owned(), of_day.to_string()));
    }
    let response = match result {
        Ok(row) => HttpResponse { status: 200, headers, body: row.to_string().into_bytes() },
        Err(error) => refusal(&error, headers, call.state.config.faults.bare_refusals),
    };
    Answer { response, endpoint: Some(endpoint) }
}

/// The form in a body. What it is labelled as says nothing: some clients send their forms as `application/json`.
fn form_of(body: &[u8]) -> String {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    let is_json = matches!(first, Some(b'{' | b'['));
    if is_json { String::new() } else { String::from_utf8_lossy(body).into_owned() }
}

/// A refusal; `bare` leaves out the headers that say until when.
pub(super) fn refusal(error: &ApiError, mut headers: Vec<(String, String)>, bare: bool) -> HttpResponse {
    if bare {
        headers.retain(|(name, _)| name == "content-type");
    } else if let Some(seconds) = error.retry_after_s {
        headers.push(("retry-after".to_owned(), seconds.to_string()));
    }
    HttpResponse { status: error.status, headers, body: error.value().to_string().into_bytes() }
}

fn no_such_path(path: &str, exists: bool) -> HttpResponse {
    let headers = vec![("content-type".to_owned(), "text/html".to_owned())];
    let (status, title) = match path {
        // Listen keys were withdrawn in February 2026.
        "/api/v3/userDataStream" => (410, "410 Gone"),
        _ if exists => (405, "405 Method Not Allowed"),
        _ => (404, "404 Not found"),
    };
    HttpResponse { status, headers, body: format!("<html><body><h2>{title}</h2></body></html>").into_bytes() }
}

fn caller_of(
    endpoint: Endpoint,
    request: &HttpRequest,
    body: &str,
    params: &Params,
    call: &Call<'_>,
) -> Result<Option<Caller>, ApiError> {
    let security = endpoint.security();
    if security == Security::Public {
        return Ok(None);
    }
    let signed = Signed::of_http(&request.query, body);
    let clock_ns = call.state.clock_ns(call.t_ns);
    let key = auth::verify(request.header("x-mbx-apikey"), &signed, params, &call.state.config.keys, clock_ns)?;
    call.caller(key, security).map(Some)
}

/// The time unit that a request asks for.
pub(super) fn wants_micros(request: &HttpRequest) -> bool {
    request.header("x-mbx-time-unit").is_some_and(|unit| unit.eq_ignore_ascii_case("microsecond"))
}
