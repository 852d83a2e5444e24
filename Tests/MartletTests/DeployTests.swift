import DeploymentPackages
import Glibc
import Testing

@testable import Martlet

private func withFolder(_ files: [String: String], _ body: (String) throws -> Void) throws {
    let path = "/tmp/martlet-deploy-\(UInt64.random(in: 0...UInt64.max))"
    try LocalFile.makeFolders(path)
    defer { LocalFile.removeTree(path) }
    for (name, content) in files {
        if let slash = name.lastIndex(of: "/") { try LocalFile.makeFolders("\(path)/\(name[..<slash])") }
        try LocalFile.write(Array(content.utf8), to: "\(path)/\(name)")
    }
    try body(path)
}

@Suite struct PackageSourceTests {
    @Test(arguments: [
        (["handler.py": "def handler(e, c): pass"], "python3", "handler.handler"),
        (["lambda_function.py": "import x\n\ndef lambda_handler(event, context):\n  pass"], "python3", "lambda_function.lambda_handler"),
        (["app.py": "app = 1\nhandler = Adapter(app)\n"], "python3", "app.handler"),
        (["main.py": "def main (event, context): pass", "util.py": "def handler(): pass"], "python3", "main.main"),
        (["only.py": "def handler(e, c): pass"], "python3", "only.handler"),
        (["index.mjs": "export const handler = async (event) => event;"], "nodejs", "index.handler"),
        (["index.js": "exports.handler = async () => 1", "lib/other.js": ""], "nodejs", "index.handler"),
        (["app.js": "async function handler() {}\nmodule.exports = { handler };"], "nodejs", "app.handler"),
        (["only.cjs": "module.exports.main = () => {}"], "nodejs", "only.main"),
        (["package.json": #"{"main": "./dist/server.js"}"#, "dist/server.js": "export async function handler() {}"], "nodejs", "dist/server.handler"),
        (["app.py": "def handler(e, c): pass", "index.js": "exports.handler = 1"], "python3", "app.handler"),
        (["bootstrap": "#!/bin/sh\n", "handler.py": "def handler(e, c): pass"], "provided", "bootstrap"),
    ])
    func runtimeAndHandlerAreReadFromTheFiles(files: [String: String], runtime: String, handler: String) throws {
        try withFolder(files) { (folder: String) throws in
            #expect(try PackageSource(folder).guess(runtime: nil, handler: nil) == RuntimeChoice(runtime: runtime, handler: handler))
        }
    }

    @Test func whatCannotBeGuessedSaysWhatWasLookedFor() throws {
        try withFolder(["a.py": "x = 1", "b.py": "def handler(): pass", "sub/handler.py": "def handler(): pass"]) { (folder: String) throws in
            let failure = #expect(throws: CommandFailure.self) { try PackageSource(folder).guess(runtime: nil, handler: nil) }
            let text = failure?.description ?? ""
            #expect(text.contains("bootstrap") && text.contains("lambda_function.py") && text.contains("a.py, b.py") && text.contains("--handler"))
        }
        try withFolder(["handler.py": "class A:\n    def handler(self): pass\nhandlers = 1\nhandler == 2\n"]) { (folder: String) throws in
            #expect(throws: CommandFailure.self) { try PackageSource(folder).guess(runtime: nil, handler: nil) }
        }
    }

    @Test func explicitWishesComeFirst() throws {
        try withFolder(["app.py": "def handler(e, c): pass", "pkg/mod.py": ""]) { (folder: String) throws in
            let source = try PackageSource(folder)
            #expect(try source.guess(runtime: "python3.9", handler: nil) == RuntimeChoice(runtime: "python3.9", handler: "app.handler"))
            #expect(try source.guess(runtime: nil, handler: "pkg.mod.run") == RuntimeChoice(runtime: "python3", handler: "pkg.mod.run"))
            #expect(throws: CommandFailure.self) { try source.guess(runtime: nil, handler: "missing.run") }
        }
        try withFolder(["src/job.mjs": "export const run = 1", "other.js": ""]) { (folder: String) throws in
            let source = try PackageSource(folder)
            #expect(try source.guess(runtime: nil, handler: "src/job.run") == RuntimeChoice(runtime: "nodejs", handler: "src/job.run"))
            #expect(throws: CommandFailure.self) { try source.guess(runtime: "nodejs", handler: nil) }
        }
    }

    @Test(arguments: [
        // What is said, what the function has, and what comes of it.
        (nil, nil, "python3.9", "app.run", "python3.9", "app.run"), (nil, "pkg.mod.run", "python3.9", "app.run", "python3.9", "pkg.mod.run"),
        ("python3.11", nil, "python3.9", "app.run", "python3.11", "app.run"), ("python3", nil, "python3.9", "pkg.mod.x", "python3", "pkg.mod.x"),
        ("python3.11", "app.other", "python3.9", "app.run", "python3.11", "app.other"), (nil, "job.run", "python3.9", "app.run", "nodejs", "job.run"),
        (nil, "job.run", "nodejs18.x", "job.handler", "nodejs18.x", "job.run"), ("nodejs20.x", nil, "nodejs18.x", "job.run", "nodejs20.x", "job.run"),
        // Of another language, or gone from the package.
        ("nodejs20.x", nil, "python3.9", "app.run", "nodejs20.x", "job.handler"), ("python3.11", nil, "nodejs18.x", "job.run", "python3.11", "app.handler"),
        (nil, nil, "python3.9", "gone.run", "python3", "app.handler"), (nil, "app.x", "provided", "bootstrap", "python3", "app.x"),
    ] as [(String?, String?, String, String, String, String)])
    func aRedeployKeepsTheHalfThatIsNotSaid(
        wished: String?, handler: String?, hadRuntime: String, hadHandler: String, runtime: String, chosen: String
    ) throws {
        var existing = DeployedFunction(function: .object([]))
        (existing.runtime, existing.handler) = (hadRuntime, hadHandler)
        let had = existing
        let files = ["app.py": "def handler(e, c): pass", "pkg/mod.py": "", "job.js": "exports.handler = async () => 1"]
        try withFolder(files) { (folder: String) throws in
            let choice = try PackageSource(folder).choice(runtime: wished, handler: handler, existing: had)
            #expect(choice == RuntimeChoice(runtime: runtime, handler: chosen))
        }
    }

    @Test func sameFolderGivesTheSameArchiveWhateverItsTimeStamps() throws {
        let files = ["handler.py": "def handler(e, c): pass", "lib/x.txt": "x"]
        var archives: [[UInt8]] = []
        for _ in 0..<2 { try withFolder(files) { archives.append(try PackageSource($0).makeArchive()) } }
        #expect(archives[0] == archives[1])
    }

    @Test func leftoversOfDevelopmentAreLeftOut() throws {
        try withFolder([
            "handler.py": "x", "__pycache__/a.pyc": "x", ".git/config": "x", ".venv/x": "x", "b.pyc": "x", "node_modules/m/index.js": "x",
        ]) { (folder: String) throws in
            let contents = try PackageContents(PackageSource(folder).makeArchive())
            #expect(contents.files.map(\.path) == ["handler.py", "node_modules/m/index.js"])
        }
    }

    @Test func bootstrapAlwaysMayBeExecuted() throws {
        try withFolder(["bootstrap": "#!/bin/sh\n"]) { (folder: String) throws in
            chmod("\(folder)/bootstrap", 0o644)
            #expect(try PackageContents(PackageSource(folder).makeArchive()).files.first?.isExecutable == true)
        }
    }

    @Test func singleFileBecomesAPackage() throws {
        try withFolder(["job.py": "def handler(e, c): pass", "run.sh": "#!/bin/sh\n", "notes.txt": "x"]) { (folder: String) throws in
            #expect(try PackageSource("\(folder)/job.py").guess(runtime: nil, handler: nil).handler == "job.handler")
            #expect(try PackageSource("\(folder)/run.sh").guess(runtime: nil, handler: nil).runtime == "provided")
            #expect(throws: CommandFailure.self) { try PackageSource("\(folder)/notes.txt") }
            #expect(throws: CommandFailure.self) { try PackageSource("\(folder)/absent") }
        }
    }

    @Test func archiveIsSentAsItIs() throws {
        try withFolder(["handler.py": "def handler(e, c): pass"]) { (folder: String) throws in
            let bytes = try PackageSource(folder).makeArchive()
            try LocalFile.write(bytes, to: "\(folder)/f.zip")
            let source = try PackageSource("\(folder)/f.zip")
            #expect(try source.makeArchive() == bytes)
            #expect(try source.guess(runtime: nil, handler: nil).handler == "handler.handler")
            try LocalFile.write(Array(bytes.dropLast(3)), to: "\(folder)/g.zip")
            #expect(throws: CommandFailure.self) { try PackageSource("\(folder)/g.zip") }
        }
    }

    @Test func fingerprintChangesWithContentNameAndExecuteBit() throws {
        try withFolder(["a": "1", "b": "2"]) { (folder: String) throws in
            var seen: Set<String> = [try PackageSource(folder).fingerprint()]
            chmod("\(folder)/a", 0o755)
            seen.insert(try PackageSource(folder).fingerprint())
            try LocalFile.write([1], to: "\(folder)/b")
            seen.insert(try PackageSource(folder).fingerprint())
            rename("\(folder)/b", "\(folder)/c")
            seen.insert(try PackageSource(folder).fingerprint())
            #expect(seen.count == 4)
        }
    }

    @Test func ownFilesComeBeforeInstalledOnes() throws {
        try withFolder(["handler.py": "mine"]) { (folder: String) throws in
            try withFolder(["handler.py": "theirs", "dep/__init__.py": "dep"]) { (other: String) throws in
                var source = try PackageSource(folder)
                try source.merge(folder: other)
                #expect(try source.content(of: "handler.py") == Array("mine".utf8))
                #expect(source.contains("dep/__init__.py"))
            }
        }
    }
}

@Suite struct DeployPlanTests {
    private let wishes = DeployWishes(runtime: "python3.11", handler: "a.b")

    private func deployed(_ change: (inout DeployedFunction) -> Void = { _ in }) -> DeployedFunction {
        var function = DeployedFunction(function: .object([]))
        (function.runtime, function.handler, function.memory, function.timeout) = ("python3.11", "a.b", 128, 3)
        (function.codeSha256, function.environment) = ("sha", ["A": "1"])
        change(&function)
        return function
    }

    @Test func unchangedRedeployCallsNothing() {
        #expect(!DeployPlan(wishes, codeSha256: "sha", existing: deployed()).changesAnything)
    }

    @Test func newFunctionIsMadeWithWhatWasAskedForOnly() {
        var wishes = wishes
        wishes.memory = 256
        let plan = DeployPlan(wishes, codeSha256: "sha", existing: nil)
        #expect(plan.create?.map(\.name) == ["Runtime", "Handler", "MemorySize"])
        #expect(plan.configuration == nil && !plan.updatesCode)
    }

    @Test func newCodeAloneLeavesTheSettings() {
        let plan = DeployPlan(wishes, codeSha256: "other", existing: deployed())
        #expect(plan.updatesCode && plan.configuration == nil)
    }

    @Test func changedSettingPublishesAVersionWithTheSameCode() {
        var wishes = wishes
        (wishes.memory, wishes.timeout, wishes.environment, wishes.isolation) = (256, 3, ["A": "2"], "environment")
        let plan = DeployPlan(wishes, codeSha256: "sha", existing: deployed { $0.isolation = "invocation" })
        #expect(plan.configuration?.map(\.name) == ["MemorySize", "Environment", "MartletIsolation"])
        #expect(plan.updatesCode)
    }

    @Test func concurrencyIsNoReasonForAVersion() {
        var wishes = wishes
        wishes.concurrency = 5
        let plan = DeployPlan(wishes, codeSha256: "sha", existing: deployed())
        #expect(plan.concurrency == 5 && !plan.updatesCode)
        #expect(!DeployPlan(wishes, codeSha256: "sha", existing: deployed { $0.concurrency = 5 }).changesAnything)
    }

    @Test func python3IsTheNewestOnOffer() throws {
        let node = ServerFacts(
            runtimes: ["python3.9", "python3.13", "python3.11", "provided"].map { .init(name: $0, interpreter: nil) }, isLoopbackOnly: true)
        #expect(try node.resolve("python3").name == "python3.13")
        #expect(try node.resolve("python3.9").name == "python3.9")
        #expect(try node.resolve("provided.al2023").name == "provided")
        let failure = #expect(throws: CommandFailure.self) { try node.resolve("nodejs20.x") }
        #expect(failure?.description.contains("python3.9, python3.13") == true)
    }

    @Test func requirementsThatNameLocalFilesAreNotKept() {
        #expect(Requirements.isSelfContained(Array("pillow==10.0\n# c\n\nrequests>=2 ; python_version > '3'\n".utf8)))
        for text in ["-r other.txt", "-e .", "./local", "/abs/path", "x @ file:///y", "--requirement=z"] {
            #expect(!Requirements.isSelfContained(Array(text.utf8)), "\(text)")
        }
    }
}
