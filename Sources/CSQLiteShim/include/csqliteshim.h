#ifndef CSQLITESHIM_H
#define CSQLITESHIM_H

#include <sqlite3.h>

/* Name of the VFS below, for sqlite3_open_v2. */
#define MARTLET_RELATIVE_VFS "martlet-relative"

/*
 * Registers, once per process, a copy of the default VFS that uses file names as they are given.
 *
 * The default makes every name absolute and looks at each folder on the way. The server's working directory is its data
 * directory, and the folders above it may be closed to the user it runs as. Returns an SQLite result code.
 */
int martlet_sqlite_register_relative_vfs(void);

/* Bind and let SQLite copy: SQLITE_TRANSIENT is a cast that Swift does not import. */
int martlet_sqlite_bind_text(sqlite3_stmt *statement, int index, const char *text, int length);
int martlet_sqlite_bind_blob(sqlite3_stmt *statement, int index, const void *bytes, int length);

#endif
