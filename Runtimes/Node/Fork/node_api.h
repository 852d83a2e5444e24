#pragma once
// The few names of Node-API that the addon uses, declared here so that no headers of any Node version are needed.
#include <stddef.h>
#include <stdint.h>

typedef struct napi_env__ *napi_env;
typedef struct napi_value__ *napi_value;
typedef struct napi_callback_info__ *napi_callback_info;
typedef int napi_status; // 0: done
typedef napi_value (*napi_callback)(napi_env, napi_callback_info);
#define NAPI_AUTO_LENGTH SIZE_MAX

napi_status napi_create_function(napi_env, const char *name, size_t length, napi_callback, void *data, napi_value *result);
napi_status napi_set_named_property(napi_env, napi_value object, const char *name, napi_value value);
napi_status napi_get_cb_info(napi_env, napi_callback_info, size_t *count, napi_value *arguments, napi_value *self, void **data);
napi_status napi_get_value_int32(napi_env, napi_value, int32_t *result);
napi_status napi_get_undefined(napi_env, napi_value *result);
napi_status napi_call_function(napi_env, napi_value self, napi_value function, size_t count, const napi_value *arguments, napi_value *result);
napi_status napi_throw_error(napi_env, const char *code, const char *message);
