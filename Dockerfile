# mtls-edge in an image of its program and the libraries that it needs, nothing else: no shell, no package manager, not root.
#
#     docker build -t mtls-edge --build-arg COMMIT="$(git log -1 --format='%h %cs' --abbrev=12)" .
#
# The section Docker of docs/operate.md writes a configuration that the user 65532 can read, mounts it at /etc/mtls-edge, and runs the
# image. Caches of CRLs and key sets can be written into /var/lib/mtls-edge, a volume.
FROM rust:1-bookworm AS build
WORKDIR /src
COPY . .
# For `mtls-edge version`: git's data is not copied.
ARG COMMIT
ENV MTLS_EDGE_COMMIT=${COMMIT}
RUN packaging/image-root.sh "$(release/compile.sh)" /image

FROM scratch
COPY --from=build /image/ /
USER 65532:65532
VOLUME ["/var/lib/mtls-edge"]
EXPOSE 8443
HEALTHCHECK --interval=10s --timeout=11s CMD ["/usr/bin/mtls-edge", "status", "--ready", "--config", "/etc/mtls-edge/edge.toml"]
ENTRYPOINT ["/usr/bin/mtls-edge"]
CMD ["run", "--config", "/etc/mtls-edge/edge.toml"]
