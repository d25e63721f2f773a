// An Express application that lets claviger decide: `claviger serve --trusted-proxy 127.0.0.1`.
import express from "express";

const CLAVIGER = process.env.CLAVIGER ?? "http://127.0.0.1:8750";
const ACTIONS = { GET: "read", HEAD: "read", POST: "create", PUT: "update", PATCH: "update", DELETE: "delete" };

/** Lets a request pass that its key may make in this access area. */
function guarded(area) {
  return async (request, response, next) => {
    const [scheme, credential] = (request.get("authorization") ?? "").split(/ +/, 2);
    const sent = [/^bearer$/i.test(scheme) ? credential : "", request.get("x-api-key")];
    const tokens = new Set(sent.filter(Boolean));
    const question = {
      // Two different ones are none that claviger knows.
      token: [...tokens].join(" "),
      area,
      action: ACTIONS[request.method] ?? "",
      // The address of the connection; behind a proxy of your own: app.set("trust proxy", …)
      ip: request.ip?.replace(/^::ffff:/, ""),
      header_names: Object.keys(request.headers),
    };
    let verdict;
    try {
      const answer = await fetch(`${CLAVIGER}/verify`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(question),
        signal: AbortSignal.timeout(3000),
      });
      // An action that is no action gets 400: it is no allow.
      verdict = answer.ok ? await answer.json() : { status: 403 };
      if (answer.status >= 500) verdict = { status: 503 };
    } catch {
      verdict = { status: 503 };
    }
    if (verdict.decision === "allow") {
      request.key = { id: verdict.key_id, name: verdict.key_name };
      return next();
    }
    if (verdict.status === 401) response.set("WWW-Authenticate", 'Bearer realm="claviger"');
    response.status(verdict.status).set("Cache-Control", "no-store");
    response.json({ status: verdict.status, decision_id: verdict.decision_id });
  };
}

const app = express();
app.use("/contacts", guarded("contacts"), (request, response) => {
  response.json({ key: request.key.id });
});
app.listen(Number(process.env.PORT ?? 9000), "127.0.0.1", () => console.log("listening"));
