// jose and jsonwebtoken as peers of the tests: one JSON command a line in, one JSON answer a line out. The argument
// says which of them.
import { createPrivateKey, createPublicKey } from "node:crypto";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(import.meta.url);
const version = (name) => JSON.parse(require("node:fs").readFileSync(new URL(`./node_modules/${name}/package.json`, import.meta.url))).version;

const key = (command, half) => {
  if (command.secret) return Buffer.from(command.secret, "hex");
  return half === "private" ? createPrivateKey(command.private) : createPublicKey(command.public);
};

const withJose = async () => {
  const { SignJWT, jwtVerify } = await import("jose");
  return {
    about: async () => ({ text: `jose ${version("jose")}, Node ${process.version}` }),
    sign: async (command) => {
      const header = { alg: command.alg, typ: "JWT" };
      if (command.kid) header.kid = command.kid;
      return { text: await new SignJWT(command.claims).setProtectedHeader(header).sign(key(command, "private")) };
    },
    verify: async (command) => {
      const { issuer, audience } = command;
      const { payload } = await jwtVerify(command.token, key(command, "public"), {
        algorithms: [command.alg], issuer, audience, requiredClaims: ["exp", "sub"],
      });
      return { claims: payload };
    },
  };
};

const withJSONWebToken = async () => {
  const jwt = require("jsonwebtoken");
  return {
    about: async () => ({ text: `jsonwebtoken ${version("jsonwebtoken")}, Node ${process.version}` }),
    sign: async (command) => {
      const options = { algorithm: command.alg };
      if (command.kid) options.keyid = command.kid;
      return { text: jwt.sign(command.claims, key(command, "private"), options) };
    },
    verify: async (command) => {
      const { issuer, audience } = command;
      return { claims: jwt.verify(command.token, key(command, "public"), { algorithms: [command.alg], issuer, audience }) };
    },
  };
};

const client = await { jose: withJose, jsonwebtoken: withJSONWebToken }[process.argv[2]]();
for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const command = JSON.parse(line);
    answer = await client[command.do](command);
  } catch (error) {
    answer = { error: `${error.name}: ${error.message}` };
  }
  console.log(JSON.stringify(answer));
}
