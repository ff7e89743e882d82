"""`GET /api/users/me` with aiohttp and asyncpg: one prepared query per request."""

import json
import os
import socket

import asyncpg
import jwt
from aiohttp import web
from cryptography.hazmat.primitives.serialization import load_pem_public_key

try:
    import uvloop

    uvloop.install()
except ImportError:
    pass

key = load_pem_public_key(os.environ["PUBLIC_KEY"].encode())
connection = json.loads(os.environ["CONNECTION"])


async def set_up(client):
    await client.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)


async def open_pool(app):
    app["pool"] = await asyncpg.create_pool(
        host=connection["host"],
        port=connection.get("port"),
        user=connection["user"],
        password=connection.get("password"),
        database=connection["database"],
        max_size=12,
        init=set_up,
    )


async def me(request):
    try:
        token = request.headers["authorization"][len("Bearer ") :]
        claims = jwt.decode(token, key, algorithms=["ES256"])
    except (KeyError, jwt.PyJWTError):
        raise web.HTTPUnauthorized
    row = await request.app["pool"].fetchrow(os.environ["QUERY"], claims["sid"])
    if row is None:
        raise web.HTTPUnauthorized
    return web.Response(text=json.dumps(dict(row), default=str), content_type="application/json")


async def start():
    app = web.Application()
    app.router.add_get("/api/users/me", me)
    app.on_startup.append(open_pool)
    return app


listener = socket.create_server(("127.0.0.1", 0))
print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
web.run_app(start(), sock=listener, access_log=None, print=None)
