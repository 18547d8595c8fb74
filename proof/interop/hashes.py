"""The password hashes of Python's frameworks as a peer of the tests, in the protocol of client.py."""

import json
import sys

import flask
import flask_bcrypt
import passlib
import werkzeug
from passlib.hash import bcrypt_sha256
from werkzeug.security import check_password_hash, generate_password_hash

app = flask.Flask(__name__)
app.config.update(BCRYPT_LOG_ROUNDS=4, BCRYPT_HANDLE_LONG_PASSWORDS=True)
long_bcrypt = flask_bcrypt.Bcrypt(app)

# By the name of a library: how it makes a hash, and how it checks one.
libraries = {
    "passlib": (bcrypt_sha256.using(rounds=4).hash, bcrypt_sha256.verify),
    "Flask-Bcrypt": (
        lambda password: long_bcrypt.generate_password_hash(password).decode(),
        lambda password, hash: long_bcrypt.check_password_hash(hash, password),
    ),
    "Werkzeug": (
        lambda password: generate_password_hash(password, "pbkdf2:sha256:1000"),
        lambda password, hash: check_password_hash(hash, password),
    ),
}


def run(command):
    if command["do"] == "about":
        versions = f"passlib {passlib.__version__}, Flask-Bcrypt {flask_bcrypt.__version__}"
        return {"text": f"{versions}, Werkzeug {werkzeug.__version__}, Python {sys.version.split()[0]}"}
    hash, check = libraries[command["prefix"]]
    match command["do"]:
        case "hash":
            return {"text": hash(command["password"])}
        case "check":
            return {"ok": check(command["password"], command["hash"])}


for line in sys.stdin:
    try:
        answer = run(json.loads(line))
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
