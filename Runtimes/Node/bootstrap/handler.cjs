// Finds and loads the function that `folder/file.export` names, as Lambda's Node runtime does.
'use strict';

const { existsSync, readFileSync } = require('fs');
const path = require('path');
const { createRequire } = require('module');
const { pathToFileURL } = require('url');
const { Fault } = require('./output.cjs');

/** @returns {Promise<Function>} */
async function load({ handler: name, taskRoot }) {
  if (name.includes('..')) {
    throw new Fault('Runtime.MalformedHandlerName', `'${name}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`);
  }
  const base = path.basename(name);
  const folder = name.substring(0, name.indexOf(base));
  const dot = base.indexOf('.');
  if (dot < 0) throw new Fault('Runtime.MalformedHandlerName', 'Bad handler');
  offerStreaming();
  let exported;
  try {
    await preload(taskRoot);
    exported = await loadModule(taskRoot, folder, base.slice(0, dot));
  } catch (error) {
    if (error instanceof SyntaxError) throw new Fault('Runtime.UserCodeSyntaxError', String(error), error);
    if (error?.code === 'MODULE_NOT_FOUND' || error?.code === 'ERR_MODULE_NOT_FOUND') throw new Fault('Runtime.ImportModuleError', String(error), error);
    throw error;
  }
  const found = base.slice(dot + 1).split('.').reduce((value, key) => value?.[key], exported);
  if (!found) throw new Fault('Runtime.HandlerNotFound', `${name} is undefined or not exported`);
  if (typeof found !== 'function') throw new Fault('Runtime.HandlerNotFound', `${name} is not a function`);
  return found;
}

async function loadModule(taskRoot, folder, module) {
  const file = path.resolve(taskRoot, folder, module);
  const requires = createRequire(path.join(taskRoot, '/'));
  if (existsSync(file) && !isFolder(file)) return requires(file);
  if (existsSync(`${file}.js`)) return isModulePackage(path.dirname(file)) ? import(pathToFileURL(`${file}.js`)) : requires(`${file}.js`);
  if (existsSync(`${file}.mjs`)) return import(pathToFileURL(`${file}.mjs`));
  if (existsSync(`${file}.cjs`)) return requires(`${file}.cjs`);
  // Not in the package itself: a layer has it, or nobody.
  return requires(requires.resolve(module, { paths: [taskRoot, path.resolve(taskRoot, folder)] }));
}

function isFolder(file) {
  return require('fs').statSync(file).isDirectory();
}

/** Whether the nearest package.json says that .js files are ES modules. */
function isModulePackage(folder) {
  if (folder.endsWith('/node_modules')) return false;
  const file = path.join(folder, 'package.json');
  if (existsSync(file)) {
    try {
      return JSON.parse(readFileSync(file, 'utf8'))?.type === 'module';
    } catch (error) {
      console.warn(`${file} cannot be read, it will be ignored for ES module detection purposes.`, error);
      return false;
    }
  }
  return folder !== '/' && isModulePackage(path.dirname(folder));
}

/**
 * What of the function's NODE_OPTIONS can be honoured once Node runs: the runtime itself is started without them, because
 * they could undo what it is started with.
 */
async function preload(taskRoot) {
  const words = process.env.NODE_OPTIONS?.match(/(?:[^\s"]|"(?:\\.|[^"\\])*")+/g)?.map((word) => word.replace(/"/g, '')) ?? [];
  const requires = createRequire(path.join(taskRoot, '/'));
  for (let index = 0; index < words.length; index++) {
    const [option, inline] = words[index].split(/=(.*)/s);
    if (option === '--enable-source-maps') process.setSourceMapsEnabled(true);
    else if (option === '--require' || option === '-r') requires(inline ?? words[++index]);
    else if (option === '--import') {
      const name = inline ?? words[++index];
      await import(/^[./]/.test(name) ? pathToFileURL(path.resolve(taskRoot, name)) : isBare(name) ? pathToFileURL(requires.resolve(name)) : name);
    } else console.warn(`NODE_OPTIONS: ${option} has no effect on the runtime; --enable-source-maps, --require and --import have`);
  }
}

function isBare(name) {
  return !/^[a-z]+:/.test(name);
}

/** The global that Lambda gives every function. */
function offerStreaming() {
  if (/^(1|true)$/.test(process.env.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA ?? '')) return;
  globalThis.awslambda = {
    streamifyResponse(handler, options) {
      handler[Symbol.for('aws.lambda.runtime.handler.streaming')] = 'response';
      if (typeof options?.highWaterMark === 'number') handler[Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark')] = Math.trunc(options.highWaterMark);
      return handler;
    },
    get HttpResponseStream() { return require('./streaming.cjs').HttpResponseStream; },
  };
}

module.exports = { load };
