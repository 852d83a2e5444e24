import FoundationEssentials
import FunctionModel
import ObjectEvents
public import WatchedFolders

extension SQLiteStore: WatchedFolderStore {
    public func loadWatchedFolders() throws -> [WatchedFolder] {
        try attempt("load the watched folders") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare(
                "SELECT account, region, function, id, name, qualifier, path, filter, is_recursive, has_content, created FROM watched_folders")
            defer { statement.reset() }
            var folders: [WatchedFolder] = []
            while try statement.step() {
                let id = statement.text(3)
                guard let filter = try? JSONDecoder().decode(ObjectFilter.self, from: Data(statement.text(7).utf8)) else {
                    throw SQLiteStoreError(step: "read watched folder \(id) from \(connection.path)", code: 0, reason: "it is damaged")
                }
                folders.append(
                    WatchedFolder(
                        id: id, name: statement.text(4), function: statement.functionKey(), qualifier: statement.optionalText(5), path: statement.text(6),
                        filter: filter, isRecursive: statement.integer(8) != 0, hasContent: statement.integer(9) != 0, created: statement.integer(10)))
            }
            return folders
        }
    }

    public func loadFiles(of folder: String) throws -> [String: FileState] {
        try attempt("load the files of a watched folder") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare("SELECT path, size, modified_ns, inode FROM watched_files WHERE folder = ?")
            defer { statement.reset() }
            statement.bind(1, folder)
            var files: [String: FileState] = [:]
            while try statement.step() {
                files[statement.text(0)] = FileState(size: statement.integer(1), modified: statement.integer(2), inode: statement.integer(3))
            }
            return files
        }
    }

    public func save(_ folder: WatchedFolder, files: [String: FileState]) throws {
        try attempt("save the watched folder \(folder.name)") { () throws(SQLiteStoreError) in
            let filter: String
            do { filter = String(decoding: try JSONEncoder().encode(folder.filter), as: UTF8.self) } catch {
                throw SQLiteStoreError(step: "encode a filter for \(connection.path)", code: 0, reason: "\(error)")
            }
            try connection.transaction { () throws(SQLiteStoreError) in
                let statement = try connection.prepare(
                    """
                    INSERT INTO watched_folders (account, region, function, id, name, qualifier, path, filter, is_recursive, has_content, created)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """)
                statement.bind(folder.function)
                statement.bind(4, folder.id)
                statement.bind(5, folder.name)
                statement.bind(6, folder.qualifier)
                statement.bind(7, folder.path)
                statement.bind(8, filter)
                statement.bind(9, folder.isRecursive ? 1 : 0)
                statement.bind(10, folder.hasContent ? 1 : 0)
                statement.bind(11, folder.created)
                try statement.run()
                for (path, state) in files { try write(state, path, folder.id) }
            }
        }
    }

    public func saveFiles(_ changes: [String: FileState?], of folder: String) throws {
        try attempt("save the files of a watched folder") { () throws(SQLiteStoreError) in
            try connection.transaction { () throws(SQLiteStoreError) in
                let isThere = try connection.prepare("SELECT 1 FROM watched_folders WHERE id = ?")
                defer { isThere.reset() }
                isThere.bind(1, folder)
                // It was deleted meanwhile.
                guard try isThere.step() else { return }
                for (path, state) in changes { try write(state, path, folder) }
            }
        }
    }

    public func deleteWatchedFolder(id: String) throws {
        try attempt("delete watched folder \(id)") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare("DELETE FROM watched_folders WHERE id = ?")
            statement.bind(1, id)
            try statement.run()
        }
    }

    private func write(_ state: FileState?, _ path: String, _ folder: String) throws(SQLiteStoreError) {
        guard let state else {
            let statement = try connection.prepare("DELETE FROM watched_files WHERE folder = ? AND path = ?")
            statement.bind(1, folder)
            statement.bind(2, path)
            return try statement.run()
        }
        let statement = try connection.prepare("INSERT OR REPLACE INTO watched_files (folder, path, size, modified_ns, inode) VALUES (?, ?, ?, ?, ?)")
        statement.bind(1, folder)
        statement.bind(2, path)
        statement.bind(3, state.size)
        statement.bind(4, state.modified)
        statement.bind(5, state.inode)
        try statement.run()
    }
}
