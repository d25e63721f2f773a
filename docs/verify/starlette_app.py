# A Starlette application that lets claviger decide: `claviger serve --trusted-proxy 127.0.0.1`.
# Run it with: uvicorn --no-proxy-headers starlette_app:app
# (uvicorn otherwise believes every program of this machine about the client's address.)
import os

import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Route

CLAVIGER = os.environ.get("CLAVIGER", "http://127.0.0.1:8750")
ACTIONS = {"GET": "read", "HEAD": "read", "POST": "create", "PUT": "update", "PATCH": "update", "DELETE": "delete"}
claviger = httpx.AsyncClient(base_url=CLAVIGER, timeout=3, trust_env=False)


async def verdict(request, area):
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    sent = {credential.strip() if scheme.lower() == "bearer" else "", request.headers.get("x-api-key", "")}
    question = {
        # Two different ones are none that claviger knows.
        "token": " ".join(sent - {""}),
        "area": area,
        "action": ACTIONS.get(request.method, ""),
        # The address of the connection; behind a proxy of your own name that with --forwarded-allow-ips
        # instead of --no-proxy-headers.
        "ip": request.client.host,
        "header_names": list(request.headers.keys()),
    }
    try:
        answer = await claviger.post("/verify", json=question)
    except httpx.HTTPError:
        return {"status": 503}
    if answer.status_code == 200:
        return answer.json()
    # An action that is no action gets 400: it is no allow.
    return {"status": 503 if answer.status_code >= 500 else 403}


class Guarded(BaseHTTPMiddleware):
    """Lets a request pass that its key may make in the access area `contacts`."""

    async def dispatch(self, request, call_next):
        found = await verdict(request, "contacts")
        if found.get("decision") == "allow":
            request.state.key = found["key_id"]
            return await call_next(request)
        headers = {"Cache-Control": "no-store"}
        if found["status"] == 401:
            headers["WWW-Authenticate"] = 'Bearer realm="claviger"'
        body = {"status": found["status"], "decision_id": found.get("decision_id")}
        return JSONResponse(body, found["status"], headers)


async def contacts(request):
    return JSONResponse({"key": request.state.key})


methods = list(ACTIONS)
app = Starlette(
    routes=[Route("/contacts", contacts, methods=methods), Route("/contacts/{rest:path}", contacts, methods=methods)],
    middleware=[Middleware(Guarded)],
)
