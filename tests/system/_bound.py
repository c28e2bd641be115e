"""People and keys that prove possession: what _server.py's Person and Key are under bearer."""
import hashlib

from _server import Failed, Key, Person

import proof


class BoundPerson(Person):
    """Signed in with a client key of his own. Calls are as a Person's; keys are bound."""

    def __init__(self, server, name, password, client_key=None):
        super().__init__(server, name, password)
        self.client_key = client_key or proof.ClientKey()

    @classmethod
    def of(cls, person):
        """The same account on a client of its own, signed in."""
        return cls(person.server, person.name, person.password).login()

    def proven(self, method, path, body=None, headers=None, again=True, **k):
        """A call with a proof (no ath); the nonce round trip is made when the server asks for it."""
        h = {**(headers or {}), "DPoP": self.client_key.proof(method, self.server.url + path)}
        a = self.call(method, path, body, headers=h, **k)
        return self.proven(method, path, body, headers, False, **k) if remember(self.client_key, a) and again else a

    def login(self):
        a = self.proven("POST", "/v1/login", {"user": self.name, "password": self.password}, token=None).want(200)
        self.token, self.id = a.json["token"], a.json["user"]["id"]
        return self

    def signed(self, operation, path, body=None, id="", digest=None):
        """A POST that is an act, signed with the client key."""
        act = self.client_key.act(operation, self.server.url + path, digest or proof.digest_of(body), id)
        return self.post(path, body, headers={"Keyhole-Act": act})

    def approve(self, request):
        q = request if isinstance(request, dict) else self.get(f"/v1/requests/{request}").want(200).json
        path = f"/v1/requests/{q['id']}/approve"
        return self.signed("request_approve", path, {"digest": q["digest"]}, q["id"], q["digest"]).want(200).json

    def key(self, grant, recording, **more):
        a = self.proven("POST", f"/v1/grants/{grant}/keys", {"recording": recording, **more}).want(201)
        return BoundKey(self.server, a.json, recording, self.client_key)


def remember(client_key, a):
    """Keeps the nonce of an answer. True: it was refused for want of it."""
    client_key.nonce = a.headers.get("dpop-nonce", client_key.nonce)
    return a.status == 401 and 'error="use_dpop_nonce"' in a.headers.get("www-authenticate", "")


class BoundKey(Key):
    """A provisioning key with the client key it is bound to: each call carries a proof of its own."""

    def __init__(self, server, answer, recording, client_key):
        super().__init__(server, answer, recording)
        self.client_key = client_key
        if answer["token_type"] != "DPoP":
            raise Failed(f"a key of type {answer['token_type']}, want DPoP")

    def prove(self, method, path, **claims):
        return self.client_key.proof(method, self.server.url + path, key=self.text, **claims)

    def head(self, method, path, **claims):
        return {"Authorization": f"DPoP {self.text}", "DPoP": self.prove(method, path, **claims)}

    def call(self, method, path, body=None, headers=None, again=True, **k):
        a = super().call(method, path, body, headers={**self.head(method, path), **(headers or {})}, **k)
        wanted = remember(self.client_key, a)
        if not wanted or not again or (headers and "DPoP" in headers):
            return a
        return self.call(method, path, body, headers, again=False, **k)

    def proof_hash(self, text):
        return proof.b64u(hashlib.sha256(text.encode()).digest())
