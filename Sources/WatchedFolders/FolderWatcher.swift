import BlockingThread
public import FunctionModel
import Glibc
import LinuxPrimitives
public import ObjectEvents
public import Triggers

/// Watches folders and turns what happens to their files into events, each at least once, whatever ends when.
///
/// The kernel's notes say where to look; what is true is what a look says against what is known, and what is known is on the
/// disk. So a start, a lost note and a crash are all mended by the same scan. An event is durable before its file counts as
/// known, and carries a key by which the queue drops it if a crash came between the two.
public actor FolderWatcher {
    /// - Returns: when the event is durable.
    public typealias Acceptor = @Sendable (_ event: ObjectChange, _ folder: WatchedFolder, _ key: String) async throws -> Void

    /// Files looked at together: their events share commits.
    private static let batch = 64

    private let store: any WatchedFolderStore
    private let accept: Acceptor
    private let executor: ThreadExecutor
    private let reader: InotifyReader
    /// Milliseconds since 1970.
    private let wall: @Sendable () -> Int64
    private var watches: [String: FolderWatch] = [:]
    /// The folders behind a number of the kernel's; two watches may share one.
    private var places: [Int32: [(watch: String, folder: String)]] = [:]
    private var timer: (due: Int64, task: Task<Void, Never>)?
    private let activities = TriggerActivities()

    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// - Throws: where the kernel has no more such readers for this user.
    public init(store: any WatchedFolderStore, wall: @escaping @Sendable () -> Int64, accept: @escaping Acceptor) async throws {
        executor = try ThreadExecutor(name: "folders")
        reader = try InotifyReader()
        self.store = store
        self.wall = wall
        self.accept = accept
        for folder in try await store.loadWatchedFolders() {
            watches[folder.id] = FolderWatch(folder, known: try await store.loadFiles(of: folder.id), isLive: true)
        }
    }

    /// Until the task is cancelled. To be run by one task.
    public func run() async {
        do { try reader.start() } catch {
            for id in watches.keys { watches[id]?.failed("\(error)", now: now) }
            return
        }
        await withTaskCancellationHandler {
            await work()
            for await signal in reader.signals {
                if Task.isCancelled { break }
                take(signal)
                await work()
            }
        } onCancel: {
            reader.stop()
        }
        timer?.task.cancel()
    }

    // MARK: Management

    public func list(account: String, region: String) -> [WatchedFolderStatus] {
        watches.values.filter { $0.isLive && $0.folder.function.account == account && $0.folder.function.region == region }
            .sorted { $0.folder.name < $1.folder.name }
            .map { WatchedFolderStatus(folder: $0.folder, files: $0.known.count, pending: $0.pending, problem: $0.problem ?? $0.gap) }
    }

    public nonisolated func activity(_ folder: WatchedFolder) -> TriggerActivity { activities.activity(folder.id) }

    /// What is in the folder by now is no news.
    /// - Throws: `.resourceConflict` for a name in use, `.tooManyRequests` beyond a bound, `.invalidParameterValue` for a folder
    ///   that cannot be read.
    public func create(_ folder: WatchedFolder) async throws -> WatchedFolderStatus {
        let others = watches.values.filter { $0.folder.function.account == folder.function.account && $0.folder.function.region == folder.function.region }
        guard !others.contains(where: { $0.folder.name == folder.name }) else {
            throw ServiceError(.resourceConflict, "there is a watch '\(folder.name)' already: delete it first, or give this one another name")
        }
        guard others.count < WatchedFolder.maximumPerRegion else {
            throw ServiceError(.tooManyRequests, "there are \(others.count) watched folders already, which is the limit of an account and region: delete some")
        }
        watches[folder.id] = FolderWatch(folder, known: [:], isLive: false)
        do {
            let contents = try scan(folder.id, below: "")
            guard !contents.isTruncated else {
                throw ServiceError(
                    .invalidParameterValue,
                    "the folder \(folder.path) has more than \(WatchedFolder.maximumFiles) files, \(WatchedFolder.maximumFolders) folders or \(WatchedFolder.maximumDepth) levels: watch a part of it"
                )
            }
            try await store.save(folder, files: contents.files)
            watches[folder.id]?.known = contents.files
            watches[folder.id]?.needsScan = false
            watches[folder.id]?.isLive = true
        } catch {
            forget(folder.id)
            guard let error = error as? LinuxError else { throw error }
            throw ServiceError(
                .invalidParameterValue,
                "the folder \(folder.path) cannot be watched by the server's user (uid \(geteuid())): \(error); let it read and enter the folder")
        }
        // What changed while its first files were written down.
        reader.tick()
        return WatchedFolderStatus(folder: folder, files: watches[folder.id]?.known.count ?? 0, pending: 0, problem: watches[folder.id]?.gap)
    }

    /// - Throws: `.resourceNotFound`.
    public func delete(_ name: String, account: String, region: String) async throws {
        guard let folder = list(account: account, region: region).first(where: { $0.folder.name == name })?.folder else {
            throw ServiceError(.resourceNotFound, "there is no watch '\(name.prefix(64))'; `martlet watch list` shows those there are")
        }
        try await remove(folder.id)
    }

    /// For a function that is gone.
    public func deleteAll(of function: FunctionKey) async throws {
        for watch in watches.values where watch.folder.function == function { try await remove(watch.folder.id) }
    }

    private func remove(_ id: String) async throws {
        try await store.deleteWatchedFolder(id: id)
        forget(id)
    }

    private func forget(_ id: String) {
        unwatch(id, below: "")
        watches[id] = nil
        activities.remove(id)
    }

    // MARK: Notes of the kernel

    private var now: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
    }

    private func take(_ signal: InotifyReader.Signal) {
        switch signal {
        case .events(let events): for event in events { take(event) }
        case .overflow: scanAll()
        case .tick: break
        }
        if reader.takeLoss() { scanAll() }
    }

    private func scanAll() { for id in watches.keys { watches[id]?.needsScan = true } }

    private func take(_ event: InotifyEvent) {
        if event.has(IN_IGNORED) { return places[event.watch] = nil }
        for (id, folder) in places[event.watch] ?? [] {
            if event.has(IN_DELETE_SELF) || event.has(IN_MOVE_SELF) {
                // One within a watched folder is told of by that one.
                if folder.isEmpty { lost(id) }
                continue
            }
            let file = folder.isEmpty ? event.name : "\(folder)/\(event.name)"
            if event.isFolder { tookFolder(file, id, event) } else { tookFile(file, id, event) }
        }
    }

    private func tookFile(_ file: String, _ id: String, _ event: InotifyEvent) {
        // A file that was just made is waited for until it is closed.
        if event.has(IN_CREATE), watches[id]?.tree.isLinked(file) != true { return }
        guard FolderChange.isKey(file) else {
            watches[id]?.gap = "it has files whose paths are longer than an object's key"
            return
        }
        watches[id]?.mark(file, now: now)
    }

    private func tookFolder(_ folder: String, _ id: String, _ event: InotifyEvent) {
        guard let watch = watches[id], watch.folder.isRecursive else { return }
        if event.has(IN_DELETE) || event.has(IN_MOVED_FROM) {
            unwatch(id, below: folder)
            watches[id]?.markAll(below: folder, now: now)
        } else {
            // What was put into it before it was watched.
            do { try compare(id, below: folder) } catch { watches[id]?.gap = "\(error)" }
        }
    }

    private func lost(_ id: String) {
        unwatch(id, below: "")
        watches[id]?.needsScan = true
        watches[id]?.failed("the folder is gone; it is looked for again", now: now)
    }

    // MARK: Looking

    /// Watches a folder with what is in it, and reads it.
    private func scan(_ id: String, below folder: String) throws -> FolderTree.Contents {
        guard let watch = watches[id] else { return FolderTree.Contents() }
        return try watch.tree.contents(of: folder, isRecursive: watch.folder.isRecursive) { descriptor, folder in
            let number = try reader.watch(descriptor, "\(watch.folder.path)/\(folder)")
            let others = (places[number] ?? []).filter { $0.watch != id }
            places[number] = others + [(id, folder)]
        }
    }

    /// Marks what differs from what is known.
    private func compare(_ id: String, below folder: String) throws {
        let contents = try scan(id, below: folder)
        let time = now
        for file in FolderChange.differences(watches[id]?.known ?? [:], contents, below: folder) { watches[id]?.mark(file, now: time) }
        let gap: String? =
            if contents.isTruncated {
                "it has more than \(WatchedFolder.maximumFiles) files, \(WatchedFolder.maximumFolders) folders or \(WatchedFolder.maximumDepth) levels; those beyond are not looked at"
            } else if let first = contents.unread.first {
                "\(contents.unread.count) folders in it cannot be read, \(first) among them"
            } else if contents.unnamed > 0 {
                "\(contents.unnamed) files have names that no object's key can have"
            } else { nil }
        if folder.isEmpty || gap != nil { watches[id]?.gap = gap }
    }

    private func unwatch(_ id: String, below folder: String) {
        for (number, all) in places {
            let rest = all.filter { place in
                place.watch != id || !(folder.isEmpty || place.folder == folder || place.folder.hasPrefix(folder + "/"))
            }
            guard rest.count < all.count else { continue }
            places[number] = rest.isEmpty ? nil : rest
            if rest.isEmpty { reader.unwatch(number) }
        }
    }

    // MARK: Events

    private func work() async {
        var isBusy = true
        while isBusy, !Task.isCancelled {
            isBusy = false
            for id in watches.keys {
                rescan(id)
                if await deliver(id) { isBusy = true }
            }
        }
        arm()
    }

    private func rescan(_ id: String) {
        guard let watch = watches[id], watch.isLive, watch.needsScan, watch.retryAt <= now else { return }
        do {
            unwatch(id, below: "")
            watches[id]?.needsScan = false
            try compare(id, below: "")
            watches[id]?.succeeded()
        } catch {
            watches[id]?.needsScan = true
            fail(id, "\(error)")
        }
    }

    /// - Returns: whether there may be more to do at once.
    private func deliver(_ id: String) async -> Bool {
        guard let due = watches[id]?.takeDue(Self.batch, now: now), !due.isEmpty, let watch = watches[id] else { return false }
        var quiet: [String: FileState?] = [:]
        var changes: [(change: FolderChange, event: ObjectChange, first: Int64)] = []
        for (file, first) in due {
            let found = watch.tree.state(of: file)
            if let found, isFresh(found), now - first < FolderWatch.longestSettling {
                watches[id]?.putBack(file, first: first, now: now)
                continue
            }
            guard let change = FolderChange(file, known: watch.known[file], found: found) else { continue }
            guard watch.folder.filter.passes(event: change.name, key: file) else {
                quiet.updateValue(found, forKey: file)
                continue
            }
            let isWanted = watch.folder.hasContent && change.kind == .created && change.state.size <= WatchedFolder.maximumContent
            let content = isWanted ? watch.tree.content(of: file, limit: WatchedFolder.maximumContent) : nil
            changes.append((change, change.event(watch.folder, now: wall(), content: content), first))
        }
        return await keep(changes, quiet, id, watch.folder)
    }

    /// Written so lately that the next write could look the same.
    private func isFresh(_ state: FileState) -> Bool { (0..<20_000_000).contains(wall() * 1_000_000 - state.modified) }

    private func keep(
        _ changes: [(change: FolderChange, event: ObjectChange, first: Int64)], _ quiet: [String: FileState?], _ id: String, _ folder: WatchedFolder
    ) async -> Bool {
        var done = quiet
        var fault: String?
        let accept = self.accept
        let results = await withTaskGroup(of: (Int, String?).self) { group in
            for (index, item) in changes.enumerated() {
                group.addTask {
                    do {
                        try await accept(item.event, folder, item.change.key(folder))
                        return (index, nil)
                    } catch { return (index, (error as? ServiceError)?.message ?? "\(error)") }
                }
            }
            return await group.reduce(into: [Int: String]()) { failures, result in if let reason = result.1 { failures[result.0] = reason } }
        }
        for (index, item) in changes.enumerated() {
            if let reason = results[index] {
                fault = reason
                watches[id]?.putBack(item.change.file, first: item.first, now: now)
            } else {
                done.updateValue(item.change.kind == .created ? item.change.state : nil, forKey: item.change.file)
            }
        }
        if !done.isEmpty {
            do {
                try await store.saveFiles(done, of: id)
                for (file, state) in done { watches[id]?.known[file] = state }
            } catch {
                // Their events are dropped as the same when they come again.
                fault = "\(error)"
                for file in done.keys { watches[id]?.putBack(file, first: now, now: now) }
            }
        }
        let taken = changes.count - results.count
        if taken > 0 { activities.note(id) { $0.took(taken, at: wall()) } }
        if let fault { fail(id, fault) } else if watches[id]?.needsScan == false { watches[id]?.succeeded() }
        return fault == nil
    }

    private func fail(_ id: String, _ reason: String) {
        watches[id]?.failed(reason, now: now)
        activities.note(id) { $0.failed(reason, at: wall()) }
    }

    /// One timer, for what is due first.
    private func arm() {
        timer?.task.cancel()
        timer = nil
        guard let due = watches.values.compactMap({ $0.due() }).min() else { return }
        let pause = max(1, due - now)
        timer = (due, Task { [reader] in
            do { try await Task.sleep(for: .milliseconds(pause)) } catch { return }
            reader.tick()
        })
    }
}
