# Komandorr's two programs, an image for each:
#
#   docker build --target server --tag komandorr .
#   docker build --target agent --tag komandorr-agent .
#
# Both images hold the program, the libraries it is linked to, certificates and
# nothing else: no shell, no package manager, no root.

ARG RUST=1.95

# What the programs are made of, and the workspace without its code: that changes
# only when a dependency does, and so the layers below that compile dependencies
# are kept until then.
FROM rust:${RUST}-bookworm AS sources
WORKDIR /code
COPY . .
RUN mkdir /agent && cp -r wire config agent deploy /agent \
 && cp -r . /manifests && cd /manifests \
 && find . -type f ! -name Cargo.toml ! -name Cargo.lock \
      ! -path '*/src/lib.rs' ! -path '*/src/main.rs' ! -name build.rs \
      ! -path '*/benches/*.rs' ! -path '*/examples/*.rs' ! -path '*/tests/*main.rs' -delete \
 && find . -name '*.rs' | while read -r file; do echo 'fn main() {}' > "$file"; done


FROM rust:${RUST}-bookworm AS agent-build
WORKDIR /src
COPY --from=sources /manifests ./
RUN cargo build --locked --profile agent -p komandorr-agent
COPY --from=sources /agent ./
# Cargo goes by times, and the placeholders are younger than the code.
RUN find . -name '*.rs' -not -path './target/*' -exec touch {} + \
 && cargo build --locked --profile agent -p komandorr-agent \
 && deploy/docker/image_root.sh target/agent/komandorr-agent

FROM scratch AS agent
COPY --from=agent-build /image/ /
COPY --from=agent-build --chown=65532:65532 /image/state /var/lib/komandorr-agent
COPY --from=agent-build --chown=65532:65532 /image/state /run/komandorr
USER 65532:65532
ENV KOMANDORR_STATE_DIR=/var/lib/komandorr-agent
ENTRYPOINT ["/usr/bin/komandorr-agent"]
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["/usr/bin/komandorr-agent", "health"]
ARG VERSION=dev
LABEL org.opencontainers.image.title="Komandorr agent" \
      org.opencontainers.image.description="Counts the bytes of a machine's network interfaces and publishes them" \
      org.opencontainers.image.source="https://github.com/komandorr/komandorr" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}"


FROM rust:${RUST}-bookworm AS server-build
# `download` takes DuckDB's released library, `compile` compiles DuckDB for some
# 20 minutes. A builder with a library of its own names it in DUCKDB_LIB_DIR.
ARG DUCKDB=download
ENV DUCKDB_DOWNLOAD_LIB=1
WORKDIR /src
COPY --from=sources /manifests ./
RUN [ "$DUCKDB" = compile ] || features=--no-default-features; \
    cargo build --locked --release -p komandorr $features
COPY --from=sources /code ./
RUN [ "$DUCKDB" = compile ] || features=--no-default-features; \
    find . -name '*.rs' -not -path './target/*' -exec touch {} + \
 && cargo build --locked --release -p komandorr $features \
 && deploy/docker/image_root.sh target/release/komandorr

FROM scratch AS server
COPY --from=server-build /image/ /
COPY --from=server-build --chown=65532:65532 /image/state /var/lib/komandorr
COPY --from=server-build --chown=65532:65532 /image/state /run/komandorr
USER 65532:65532
WORKDIR /var/lib/komandorr
ENV KOMANDORR_HTTP_LISTEN=0.0.0.0:3000 \
    KOMANDORR_MQTT_LISTEN=0.0.0.0:1883 \
    KOMANDORR_STORAGE_PATH=/var/lib/komandorr/komandorr.duckdb
EXPOSE 3000 1883
ENTRYPOINT ["/usr/bin/komandorr"]
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["/usr/bin/komandorr", "health"]
ARG VERSION=dev
LABEL org.opencontainers.image.title="Komandorr" \
      org.opencontainers.image.description="Network traffic monitoring: MQTT broker, DuckDB store and site in one process" \
      org.opencontainers.image.source="https://github.com/komandorr/komandorr" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}"
