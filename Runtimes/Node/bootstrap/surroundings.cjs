// What a function finds when it starts: its variables, its search paths, its working folder.
'use strict';

const LAYERS = '/opt';

/** Sets up for one function (the INIT frame's values). */
function apply(definition, isSnapshot) {
  const root = definition.taskRoot;
  const major = process.versions.node.split('.')[0];
  const runtime = __dirname;
  const variables = {
    LANG: 'en_US.UTF-8',
    TZ: ':UTC',
    PATH: `/usr/local/bin:/usr/bin:/bin:${LAYERS}/bin`,
    LD_LIBRARY_PATH: `${root}:${root}/lib:${LAYERS}/lib`,
    NODE_PATH: `${LAYERS}/nodejs/node${major}/node_modules:${LAYERS}/nodejs/node_modules:${runtime}/node_modules:${runtime}:${root}`,
    ...definition.environment,
    _HANDLER: definition.handler,
    AWS_REGION: definition.region,
    AWS_DEFAULT_REGION: definition.region,
    AWS_EXECUTION_ENV: `AWS_Lambda_nodejs${major}.x`,
    AWS_LAMBDA_FUNCTION_NAME: definition.functionName,
    AWS_LAMBDA_FUNCTION_VERSION: definition.functionVersion,
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(definition.memorySize),
    AWS_LAMBDA_INITIALIZATION_TYPE: definition.initializationType ?? (isSnapshot ? 'snap-start' : 'on-demand'),
    AWS_LAMBDA_LOG_GROUP_NAME: definition.logGroup,
    AWS_LAMBDA_LOG_STREAM_NAME: definition.logStream,
    LAMBDA_TASK_ROOT: root,
    LAMBDA_RUNTIME_DIR: runtime,
  };
  const environment = process.env;
  for (const name of Object.keys(environment)) if (!(name in variables)) delete environment[name];
  // Setting a variable is not free, and setting the time zone makes V8 forget all it knows of dates.
  for (const [name, value] of Object.entries(variables)) if (environment[name] !== value) environment[name] = value;
  require('module').Module._initPaths();
  process.chdir(root);
}

module.exports = { apply };
