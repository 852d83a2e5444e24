#include "csqliteshim.h"

#include <pthread.h>
#include <string.h>

static sqlite3_vfs relative_vfs;
static int registration = SQLITE_ERROR;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int keep_name(sqlite3_vfs *vfs, const char *name, int capacity, char *output) {
    (void)vfs;
    size_t size = strlen(name) + 1;
    if (capacity < 0 || size > (size_t)capacity) return SQLITE_CANTOPEN;
    memcpy(output, name, size);
    return SQLITE_OK;
}

static void register_once(void) {
    sqlite3_vfs *base = sqlite3_vfs_find(NULL);
    if (base == NULL) return;
    /* The copy keeps pAppData: the default's methods find their locking there. */
    relative_vfs = *base;
    relative_vfs.pNext = NULL;
    relative_vfs.zName = MARTLET_RELATIVE_VFS;
    relative_vfs.xFullPathname = keep_name;
    registration = sqlite3_vfs_register(&relative_vfs, 0);
}

int martlet_sqlite_register_relative_vfs(void) {
    pthread_once(&once, register_once);
    return registration;
}

int martlet_sqlite_bind_text(sqlite3_stmt *statement, int index, const char *text, int length) {
    return sqlite3_bind_text(statement, index, text, length, SQLITE_TRANSIENT);
}

int martlet_sqlite_bind_blob(sqlite3_stmt *statement, int index, const void *bytes, int length) {
    return sqlite3_bind_blob(statement, index, bytes, length, SQLITE_TRANSIENT);
}
