"""PyJWT and Python's bcrypt as a peer of the tests: one JSON command a line in, one JSON answer a line out."""

import functools
import json
import sys

import bcrypt
import jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key


def run(command):
    match command["do"]:
        case "about":
            return {"text": f"PyJWT {jwt.__version__}, bcrypt {bcrypt.__version__}, Python {sys.version.split()[0]}"}
        case "sign":
            headers = {"kid": command["kid"]} if command.get("kid") else None
            return {"text": jwt.encode(command["claims"], key(command, "private"), command["alg"], headers=headers)}
        case "verify":
            claims = jwt.decode(
                command["token"],
                key(command, "public"),
                algorithms=[command["alg"]],
                audience=command["audience"],
                issuer=command["issuer"],
                options={"require": ["exp", "sub"]},
            )
            return {"claims": claims}
        case "hash":
            salt = bcrypt.gensalt(4, prefix=command["prefix"].encode())
            return {"text": bcrypt.hashpw(command["password"].encode(), salt).decode()}
        case "check":
            return {"ok": bcrypt.checkpw(command["password"].encode(), command["hash"].encode())}


def key(command, half):
    if "secret" in command:
        return bytes.fromhex(command["secret"])
    return load(command[half], half)


@functools.cache  # reading an RSA key takes longer than signing with it
def load(pem, half):
    if half == "private":
        return load_pem_private_key(pem.encode(), None)
    return load_pem_public_key(pem.encode())


for line in sys.stdin:
    try:
        answer = run(json.loads(line))
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
