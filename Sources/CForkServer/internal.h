#pragma once
#include "cforkserver.h"
#include <sys/types.h>

// Between cf_prepare and the end of the process nothing here may take a lock or allocate: a parked thread may hold it.

// --- threads.c
extern pid_t *cf_cached_tid; // of the thread that prepares
int cf_find_cached_tid(void);
const char *cf_park_threads(void);
int cf_resume_threads(void);

// --- descriptors.c
const char *cf_note_descriptors(int control, int whole);
int cf_renew_descriptors(void);

// --- pages.c
void cf_mark_for_fork(void);
void cf_learn(const struct cf_runtime *runtime, int (*copy)(void));
void cf_prefault(void);
