# Builds crossgate from this checkout; the second stage holds the binary and nothing else that could run.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# Git stays outside: which commit this is, is for whoever builds to say (docker build --build-arg CROSSGATE_COMMIT=…).
ARG CROSSGATE_COMMIT
RUN cargo build --release --locked -p crossgate

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/release/crossgate /usr/local/bin/crossgate
# Logs, latch and lock live here: the only place that is written.
VOLUME /var/lib/crossgate
WORKDIR /var/lib/crossgate
USER 65532:65532
EXPOSE 9464
ENTRYPOINT ["/usr/local/bin/crossgate"]
CMD ["run", "--no-tui"]
