// Node's side of the fork server (Sources/CForkServer).
#include "cforkserver.h"
#include "martlet_fork_node.h"
#include "node_api.h"
#include <unistd.h>

static napi_env environment;
static napi_value rehearsal;

static void rehearse(void) {
  napi_value undefined, result;
  if (napi_get_undefined(environment, &undefined) || napi_call_function(environment, undefined, rehearsal, 0, NULL, &result)) _exit(1);
}

// serve(control, rehearse): stops the other threads, says READY on descriptor 3, and makes copies on command. Returns in a
// copy only.
static napi_value serve(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2], undefined = NULL;
  int32_t control;
  if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) || count != 2 || napi_get_value_int32(env, arguments[0], &control) ||
      napi_get_undefined(env, &undefined)) {
    napi_throw_error(env, NULL, "serve takes a descriptor and a function");
    return NULL;
  }
  environment = env, rehearsal = arguments[1];
  const char *problem = cf_prepare(control, 1);
  if (problem) {
    napi_throw_error(env, NULL, problem);
    return NULL;
  }
  if (cf_write_frame(3, CF_FRAME_READY, NULL, 0)) _exit(1);
  close(3); // the template's own line to the server ends with init
  static const struct cf_runtime runtime = {NULL, NULL, NULL, rehearse, 1, 1};
  cf_serve(control, &runtime);
  return undefined;
}

// exit(status): at once. Node's own way would first stop its threads one by one.
static napi_value leave(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument;
  int32_t status = 1;
  napi_get_cb_info(env, info, &count, &argument, NULL, NULL);
  napi_get_value_int32(env, argument, &status);
  _exit(status);
}

__attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env, napi_value exports);
napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  static const struct { const char *name; napi_callback function; } functions[] = {{"serve", serve}, {"exit", leave}};
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    napi_value function;
    if (napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].function, NULL, &function) == 0)
      napi_set_named_property(env, exports, functions[i].name, function);
  }
  return exports;
}
