//! WebSocket frames as a server writes them, and what a client's frames carry (RFC 6455).

/// One WebSocket frame from a server.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..126 => bytes.push(len as u8),
        len @ 126..65_536 => bytes.extend([&[126][..], &(len as u16).to_be_bytes()].concat()),
        len => bytes.extend([&[127][..], &(len as u64).to_be_bytes()].concat()),
    }
    bytes.extend(payload);
    bytes
}

/// What the whole frames carry that a client wrote at once, unmasked; a frame that is not whole ends it.
pub(crate) fn client_payloads(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    while let [_, len, rest @ ..] = bytes
        && len & 0x80 != 0
    {
        let (len, rest) = match (len & 0x7f, rest) {
            (126, [high, low, rest @ ..]) => (usize::from(u16::from_be_bytes([*high, *low])), rest),
            (len @ 0..126, rest) => (usize::from(len), rest),
            _ => break,
        };
        let Some((mask, rest)) = rest.split_first_chunk::<4>() else { break };
        let Some((payload, rest)) = rest.split_at_checked(len) else { break };
        payloads.push(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect());
        bytes = rest;
    }
    payloads
}
