# One image for TPC, UAC and OPC: which one it is, its argument says (services/uac/src/main.ts). What runs is the source itself, as in development
# and in every test: Node strips the types. docs/images.md tells how it is built, checked and listed.
#
# The base is Node 24.21.0 on Debian 12 (slim), by its digest. Where no registry can be reached, npm run images makes one that stands in for it.
ARG BASE=docker.io/library/node:24.21.0-bookworm-slim@sha256:0e0ff40c39bc087845bfb27465a0df4ea419520094bc35842ff83dd8cbe6f9b6

# What decides over node_modules, and nothing else: as long as it stays the same, the installed packages are taken from the cache, and the image's
# largest layer stays the same from one version to the next.
FROM ${BASE} AS manifests
WORKDIR /src
COPY . .
RUN mkdir /manifests && find . \( -name package.json -o -name package-lock.json -o -name .npmrc \) -exec cp --parents {} /manifests \;

# npm ci installs what any workspace needs. What none of the three services needs goes again, and so do other platforms' binaries and what only
# people read.
FROM ${BASE} AS packages
WORKDIR /app
COPY --from=manifests /manifests ./
ENV OF_SERVICES="--omit=dev --workspace=services/tpc --workspace=services/uac --workspace=services/opc"
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
RUN npm ci --omit=dev && npm sbom --package-lock-only --sbom-format=cyclonedx > /sbom.cdx.json
COPY images/tpc/list-packages.mjs /
# hadolint ignore=SC2086
RUN cp -a node_modules /all_node_modules && npm ls --all --parseable $OF_SERVICES > /kept && node /list-packages.mjs /kept /sbom.cdx.json \
  && for folder in node_modules/[!@]* node_modules/@*/*; do \
    grep --quiet --line-regexp --fixed-strings "/app/$folder" /kept || [ -L "$folder" ] || rm -r "$folder"; \
  done \
  && for modules in node_modules /all_node_modules; do \
    find "$modules" \( -name '*.md' -o -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -delete; \
    find "$modules" -path '*/prebuilds/*' -prune ! -path "*/prebuilds/linux-$(node -p process.arch)*" -exec rm -r {} +; \
    rm -r "$modules"/better-sqlite3/deps "$modules"/better-sqlite3/src; \
  done

# As process 1 a program gets no default handling of signals and inherits orphans: tini takes that place.
FROM ${BASE} AS init
RUN apt-get update && apt-get install --yes --no-install-recommends tini && cp /usr/bin/tini-static /tini && rm -rf /var/lib/apt/lists/*

FROM ${BASE} AS runtime
COPY --from=init /tini /usr/local/bin/tini
ENV NODE_ENV=production
WORKDIR /app
ENTRYPOINT ["tini", "--", "node", "--conditions=tpc-source", "--disable-warning=ExperimentalWarning"]

# npm run images -- mail: what shows the mails in the demonstration; not for production.
FROM runtime AS mail
ENV MAIL_FILE=/data/mail.db MAIL_HOST=0.0.0.0 SMTP_PORT=1025 INBOX_HTTP_PORT=8025
RUN mkdir /data && chown 1000:1000 /data
COPY --from=packages /all_node_modules node_modules
COPY package.json ./
COPY gen gen
COPY packages packages
COPY tools/stack/mail-catcher.ts tools/stack/
USER 1000:1000
VOLUME /data
EXPOSE 1025 8025
CMD ["tools/stack/mail-catcher.ts"]

FROM runtime AS services
COPY --from=packages /app/node_modules node_modules
COPY package.json ./
COPY gen gen
COPY packages/broker packages/broker
COPY packages/client packages/client
COPY packages/core packages/core
COPY packages/platform packages/platform
COPY services services
COPY --from=packages /sbom.cdx.json ./
ARG VERSION=dev
ARG REVISION=unknown
# A step that uses them: for a label alone some builders take an older image from their cache.
RUN echo "$VERSION $REVISION" > version
LABEL org.opencontainers.image.title="tpc" \
  org.opencontainers.image.description="TPC, UAC and OPC: reliable messages between services and RocketMQ" \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}"
USER 1000:1000
EXPOSE 3000 50051 50052 50053
CMD ["services/tpc/src/main.ts"]
