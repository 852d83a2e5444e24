// A Node handler behind node:http, as a plain process: server.js PORT FOLDER HANDLER, for example index.handler.
const http = require('node:http');
const fs = require('node:fs');
const path = require('node:path');
const { pathToFileURL } = require('node:url');

const [port, folder, name] = process.argv.slice(2);
const [file, method] = name.split('.');

async function main() {
  const found = ['.mjs', '.js', '.cjs'].map((end) => path.join(folder, file + end)).find((one) => fs.existsSync(one));
  const module = await import(pathToFileURL(found));
  const handler = module[method] ?? module.default[method];
  http.createServer((request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', async () => {
      const answer = JSON.stringify(await handler(JSON.parse(Buffer.concat(parts)), { awsRequestId: 'r' }));
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(answer) });
      response.end(answer);
    });
  }).listen(Number(port), '127.0.0.1');
}
main();
