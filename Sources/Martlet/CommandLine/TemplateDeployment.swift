internal import Glibc
internal import JSONValues
internal import SAMTemplates

/// `martlet deploy --template`: shows what differs between a template and the server, and makes the server as the template says.
struct TemplateDeployment {
    /// nil to delete a stack by its name.
    let template: String?
    let stackName: String?
    /// `K=V`.
    let parameters: [String]
    let isDryRun: Bool
    let isDeletion: Bool
    let isAgreed: Bool
    let output: OutputOptions

    func run(_ client: APIClient) async throws {
        let progress = Progress(isOn: Terminal.errorIsTerminal && !output.json)
        defer { progress.clear() }
        let name = try resolvedName()
        var state = try await StackState(name, client)
        if isDeletion { return try await delete(&state, client, progress) }
        guard let template else { throw CommandFailure.usage("--template names the template to deploy") }
        let facts = try await client.send(APIRequest("GET", MartletPaths.runtimes)).json()
        let context = StackContext(
            stackName: name, account: facts["account"]?.string ?? "", region: facts["region"]?.string ?? "",
            scheme: client.endpoint.isSecure ? "https" : "http", port: client.endpoint.port, endpoint: "\(client.endpoint)",
            parameters: try DeployCommand.variables(parameters, of: "--parameter-overrides") ?? [:])
        var stack = try read(template, context)
        var packages = StackPackages(folder: Self.folder(of: template))
        try prepare(&stack, &packages, ServerFacts(facts), progress)

        progress.show("comparing with the server")
        let reader = StackReader(client: client, context: context)
        var present = StackPlan.Present(recorded: state.recorded)
        for resource in stack.resources { present.properties[resource.identity] = try await reader.properties(of: resource) }
        let (expected, lateNames) = resolveLayers(stack, present, context)
        let plan = try Self.named(template) { () throws(TemplateFaults) in try StackPlan(expected, present) }
        progress.clear()
        let view = StackView(name: name, plan: plan, notes: stack.notes, style: output.style)
        if isDryRun || plan.changes.isEmpty {
            if !isDryRun { try await record(stack, &state, context, client) }
            return view.show(isDryRun: true, outputs: state.outputs, asJSON: output)
        }
        if !output.json { view.lines(isDryRun: false).forEach(Terminal.print) }
        try agree("apply these changes?")

        // What a deployment that ends in the middle has made is the stack's, too.
        let retained = Set(stack.resources.filter(\.isRetained).map(\.identity))
        try await state.save(
            state.recorded.merging(Self.identities(stack)) { $1 }, retained: retained.union(state.retained), outputs: state.outputs, client)
        var writer = StackWriter(
            client: client, context: context, packages: packages, wanted: stack.resources,
            published: Set(stack.resources.filter { $0.identity.kind == .alias }.map { StackReader.parts($0.identity.name).function }), lateNames: lateNames)
        try await perform(plan, &writer, keeping: state.retained, progress)
        try await record(stack, &state, context, client)
        progress.clear()
        view.finish(outputs: state.outputs, asJSON: output)
    }

    // MARK: Steps

    private func perform(_ plan: StackPlan, _ writer: inout StackWriter, keeping retained: Set<StackResource.Identity>, _ progress: Progress) async throws {
        for step in plan.steps where step.action != .keep {
            if step.action == .delete, retained.contains(step.identity) { continue }
            progress.show("\(step.action.rawValue) \(step.identity.kind.rawValue) \(step.identity.name)")
            do {
                try await writer.run(step)
            } catch let failure as CommandFailure {
                throw CommandFailure(
                    "failed to \(step.action.rawValue) the \(step.identity.kind.rawValue) \(step.identity.name) (\(step.logicalID)): \(failure); deploy again when it is mended, to go on from here")
            }
        }
    }

    private func delete(_ state: inout StackState, _ client: APIClient, _ progress: Progress) async throws {
        guard state.revision > 0 else { throw CommandFailure("there is no stack \(state.name)") }
        let facts = try await client.send(APIRequest("GET", MartletPaths.runtimes)).json()
        let context = StackContext(
            stackName: state.name, account: facts["account"]?.string ?? "", region: facts["region"]?.string ?? "",
            scheme: client.endpoint.isSecure ? "https" : "http", port: client.endpoint.port, endpoint: "\(client.endpoint)")
        let retained = state.retained
        let plan = StackPlan(deleting: state.recorded.filter { !retained.contains($0.key) })
        let view = StackView(name: state.name, plan: plan, notes: retained.map { "the \($0.kind.rawValue) \($0.name) stays" }.sorted(), style: output.style)
        if isDryRun { return view.show(isDryRun: true, outputs: [], asJSON: output) }
        if !output.json { view.lines(isDryRun: false).forEach(Terminal.print) }
        try agree("delete all of this?")
        var writer = StackWriter(
            client: client, context: context, packages: StackPackages(folder: "."), wanted: [], published: [], lateNames: [:])
        try await perform(plan, &writer, keeping: [], progress)
        try await state.delete(client)
        progress.clear()
        view.finish(outputs: [], asJSON: output)
    }

    /// Writes down what the stack is from now on, where that is something new.
    private func record(_ stack: DesiredStack, _ state: inout StackState, _ context: StackContext, _ client: APIClient) async throws {
        let (resources, outputs) = (Self.identities(stack), try await outputs(of: stack, context, client))
        let retained = Set(stack.resources.filter(\.isRetained).map(\.identity))
        guard state.revision == 0 || state.recorded != resources || state.outputs != outputs || state.retained != retained else { return }
        try await state.save(resources, retained: retained, outputs: outputs, client)
    }

    // MARK: Reading

    private func read(_ path: String, _ context: StackContext) throws -> DesiredStack {
        let bytes = try LocalFile.read(path, limit: YAMLReader.maximumBytes)
        let json: JSON
        do throws(YAMLFault) { json = try YAMLReader.read(bytes) } catch { throw CommandFailure("\(path), \(error)") }
        return try Self.named(path) { () throws(TemplateFaults) in try StackBuilder.build(json, context) }
    }

    private static func named<Value>(_ path: String, _ body: () throws(TemplateFaults) -> Value) throws -> Value {
        do throws(TemplateFaults) { return try body() } catch {
            throw CommandFailure("\(path) cannot be deployed, and nothing was changed:\n" + error.faults.map { "  \($0)" }.joined(separator: "\n"))
        }
    }

    /// Packs code and resolves runtimes, so that everything that can be wrong on this side is found before anything changes.
    private func prepare(_ stack: inout DesiredStack, _ packages: inout StackPackages, _ facts: ServerFacts, _ progress: Progress) throws {
        for index in stack.resources.indices where stack.resources[index].code != nil {
            let resource = stack.resources[index]
            do {
                let runtime = try resource.properties["Runtime"]?.string.map { try facts.resolve($0) }
                if let runtime { stack.resources[index].properties["Runtime"] = .string(runtime.name) }
                stack.resources[index].properties["CodeSha256"] = .string(try packages.add(resource, runtime, progress))
            } catch let failure as CommandFailure {
                throw CommandFailure("Resources.\(resource.logicalID): \(failure)")
            }
        }
    }

    /// Gives layers the versions that they will have, so that functions can be compared.
    /// - Returns: what is wanted with these in it, and the versions that stay: a new one's number is known only when it is there.
    private func resolveLayers(
        _ stack: DesiredStack, _ present: StackPlan.Present, _ context: StackContext
    ) -> (expected: [StackResource], kept: [String: String]) {
        var kept: [String: String] = [:]
        var versions: [String: String] = [:]
        for layer in stack.resources where layer.identity.kind == .layer {
            let found = present.properties[layer.identity]
            let number = found?["Version"]?.integer ?? 0
            let isSame = layer.properties.allSatisfy { found?[$0.key] == $0.value }
            let arn = "arn:aws:lambda:\(context.region):\(context.account):layer:\(layer.identity.name):\(isSame ? number : number + 1)"
            versions[LateName.layer(layer.logicalID)] = arn
            if isSame { kept[LateName.layer(layer.logicalID)] = arn }
        }
        let expected = stack.resources.map { resource in
            var resource = resource
            resource.properties = resource.properties.mapValues { LateName.replaced(in: $0, versions) }
            return resource
        }
        return (expected, kept)
    }

    private func outputs(of stack: DesiredStack, _ context: StackContext, _ client: APIClient) async throws -> [JSON.Member] {
        var values: [String: String] = [:]
        for resource in stack.resources where resource.identity.kind == .url {
            let found = try await client.find(StackReader.urlRequest("GET", resource.identity.name))?.json()
            values[LateName.url(resource.logicalID)] = found?["FunctionUrl"]?.string
        }
        for layer in stack.resources where layer.identity.kind == .layer {
            let page = try await client.find(APIRequest("GET", LambdaPaths.layerVersions(layer.identity.name), query: [("MaxItems", "1")]))?.json()
            values[LateName.layer(layer.logicalID)] = page?["LayerVersions"]?.array?.first?["LayerVersionArn"]?.string
        }
        return stack.outputs.map { .init($0.name, LateName.replaced(in: $0.value, values)) }
    }

    private static func identities(_ stack: DesiredStack) -> [StackResource.Identity: String] {
        Dictionary(uniqueKeysWithValues: stack.resources.map { ($0.identity, $0.logicalID) })
    }

    private static func folder(of path: String) -> String {
        path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    }

    /// The given name, or that of the template's folder.
    private func resolvedName() throws -> String {
        if let stackName { return stackName }
        guard let template else { throw CommandFailure.usage("--delete needs --stack-name or --template") }
        guard let resolved = realpath(Self.folder(of: template), nil) else { throw CommandFailure("there is no folder \(Self.folder(of: template))") }
        defer { free(resolved) }
        let folder = String(cString: resolved).split(separator: "/").last.map(String.init) ?? ""
        let name = String(folder.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" })
        guard name.first?.isLetter == true else { throw CommandFailure.usage("the folder \(folder) makes no stack name: give one with --stack-name") }
        return name
    }

    // MARK: Asking

    private func agree(_ question: String) throws {
        guard !isAgreed, Terminal.inputIsTerminal, Terminal.outputIsTerminal else { return }
        Terminal.printErrorRaw("\(question) [y/N] ")
        guard let answer = readLine(), ["y", "yes"].contains(answer.lowercased()) else { throw CommandFailure("nothing was changed") }
    }
}
