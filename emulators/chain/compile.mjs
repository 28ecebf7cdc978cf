// Compiles contracts/*.sol to artifacts/*.json, offline and byte for byte the same on every machine.
// Usage: node compile.mjs [output folder]. A run of the stack needs no compiler: the artifacts are committed.

import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const PACKAGES = join(HERE, "..", "..", ".local", "node", "node_modules");
const CONTRACTS = join(HERE, "contracts");

// Polygon runs the opcodes of Cancun and later. Without metadata the bytecode depends on the sources alone.
const SETTINGS = {
  evmVersion: "cancun",
  optimizer: { enabled: true, runs: 200 },
  metadata: { appendCBOR: false, bytecodeHash: "none" },
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.methodIdentifiers"] } },
};

function main() {
  const output = process.argv[2] ?? join(HERE, "artifacts");
  mkdirSync(output, { recursive: true });
  const names = readdirSync(CONTRACTS).filter((name) => name.endsWith(".sol")).sort();
  for (const name of names) {
    const artifact = compile(name);
    writeFileSync(join(output, `${artifact.contract}.json`), `${JSON.stringify(artifact, null, 2)}\n`);
  }
}

function compile(name) {
  const solc = createRequire(join(PACKAGES, "solc", "package.json"))("solc");
  const sources = { [`contracts/${name}`]: { content: readFileSync(join(CONTRACTS, name), "utf8") } };
  const imported = new Map(Object.entries(sources).map(([path, { content }]) => [path, content]));
  const input = { language: "Solidity", sources, settings: SETTINGS };
  const answer = JSON.parse(solc.compile(JSON.stringify(input), { import: (path) => readImport(path, imported) }));
  for (const problem of answer.errors ?? []) throw new Error(problem.formattedMessage);
  const contract = name.replace(/\.sol$/, "");
  const built = answer.contracts[`contracts/${name}`][contract];
  return {
    contract,
    compiler: solc.version(),
    evmVersion: SETTINGS.evmVersion,
    builtFrom: digest(solc.version(), imported),
    abi: built.abi,
    methodIdentifiers: built.evm.methodIdentifiers,
    bytecode: `0x${built.evm.bytecode.object}`,
  };
}

function readImport(path, imported) {
  const contents = readFileSync(join(PACKAGES, ...path.split("/")), "utf8");
  imported.set(path, contents);
  return { contents };
}

function digest(compiler, imported) {
  const hash = createHash("sha256").update(JSON.stringify([compiler, SETTINGS]));
  for (const path of [...imported.keys()].sort()) hash.update(`\n${path}\n${imported.get(path)}`);
  return hash.digest("hex");
}

main();
