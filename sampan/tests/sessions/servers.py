"""What the API calls: webhooks, a conversion webhook, and an API server behind this one.

Serves HTTPS on 8443 with the certificate in /tls.
"""
import base64
import json
import ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GROUP = "served.example.com/v1"
THING = {"apiVersion": GROUP, "kind": "Thing", "metadata": {"name": "one", "namespace": "servers"}}
RESOURCES = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": GROUP, "resources": [
    {"name": "things", "singularName": "thing", "namespaced": True, "kind": "Thing",
     "verbs": ["get", "list"]}]}
DOCUMENTS = {
    "/healthz": {"well": True},
    f"/apis/{GROUP}": RESOURCES,
    f"/apis/{GROUP}/namespaces/servers/things": {
        "apiVersion": GROUP, "kind": "ThingList", "metadata": {}, "items": [THING]},
    f"/apis/{GROUP}/namespaces/servers/things/one": THING,
}


def mutate(request):
    patch = [{"op": "add", "path": "/data/seen", "value": request["userInfo"]["username"]}]
    patch = base64.b64encode(json.dumps(patch).encode()).decode()
    return {"allowed": True, "patchType": "JSONPatch", "patch": patch, "warnings": ["it was seen"]}


def validate(request):
    bad = request["object"]["data"].get("is") == "bad"
    return {"allowed": not bad, "status": {"message": "it is bad", "code": 418}}


def convert(request):
    wanted = request["desiredAPIVersion"]
    olds, news = ("host", "address") if wanted.endswith("v2") else ("address", "host")
    for item in request["objects"]:
        item["apiVersion"] = wanted
        if olds in item["spec"]:
            item["spec"][news] = item["spec"].pop(olds)
    return {"result": {"status": "Success"}, "convertedObjects": request["objects"]}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def reply(self, code, document):
        body = json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        document = DOCUMENTS.get(self.path.split("?")[0])
        self.reply(200 if document else 404, document or {
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound",
            "message": "not here", "code": 404})

    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = {"/mutate": mutate, "/validate": validate, "/convert": convert}[
            self.path.split("?")[0]](review["request"])
        answer["uid"] = review["request"]["uid"]
        self.reply(200, {"apiVersion": review["apiVersion"], "kind": review["kind"],
                         "response": answer})


server = ThreadingHTTPServer(("", 8443), Handler)
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain("/tls/tls.crt", "/tls/tls.key")
server.socket = tls.wrap_socket(server.socket, server_side=True)
print("serving", flush=True)
server.serve_forever()
