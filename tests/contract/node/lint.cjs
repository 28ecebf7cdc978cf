// Lints an OpenAPI file with Redocly's strict rules, prints what it finds as JSON, and needs no network.
const { createConfig, lint } = require("@redocly/openapi-core");

async function main(path) {
  const config = await createConfig({
    extends: ["recommended-strict"],
    rules: {
      "tag-description": "error",
      "operation-tag-defined": "error",
      "no-identical-paths": "error",
      "no-http-verbs-in-paths": "off",
      "spec-components-invalid-map-name": "error",
      "rule/summary-is-one-sentence": {
        subject: { type: "Operation", property: "summary" },
        assertions: { notPattern: "/\\. /" },
        message: "What follows the first sentence is a description.",
        severity: "error",
      },
    },
  });
  const found = await lint({ ref: path, config });
  console.log(JSON.stringify(found.map(({ ruleId, message, location }) => ({ rule: ruleId, at: location[0]?.pointer, message }))));
}

main(process.argv[2]);
