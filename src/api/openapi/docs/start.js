// Renders the description. What a reader tries out goes to the host that served the page, by whatever name it was reached: the
// page may call no other.
const base = new URL(".", document.baseURI);

async function start() {
  const answer = await fetch(new URL("openapi.json", base));
  const spec = await answer.json();
  SwaggerUIBundle({
    spec: { ...spec, servers: [{ url: base.href.replace(/\/$/, "") }] },
    domNode: document.getElementById("ui"),
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    filter: true,
    tryItOutEnabled: true,
    validatorUrl: null,
  });
}

start();
