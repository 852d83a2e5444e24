#pragma once
// Fork support for CPython templates: a stable-ABI extension module, `martlet_fork`, that works with every CPython from
// 3.9 on without its headers.
