internal import DeploymentPackages
internal import FoundationEssentials
internal import JSONValues
internal import LambdaAPI
internal import SAMTemplates

/// The packages of a stack's functions and layers.
struct StackPackages {
    /// The template's folder.
    let folder: String
    private var packages: [StackResource.Identity: DeployPackage] = [:]

    init(folder: String) { self.folder = folder }

    /// Packs a resource's code.
    /// - Returns: the digest that the server calls it by, base64.
    mutating func add(_ resource: StackResource, _ runtime: ServerFacts.Runtime?, _ progress: Progress) throws -> String {
        progress.show("packing \(resource.logicalID)")
        var source: PackageSource
        switch resource.code {
        case .inline(let file, let text)?: source = PackageSource(file: file, text: text)
        case .path(let path)?:
            let path = path.hasPrefix("/") ? path : "\(folder)/\(path)"
            source = try PackageSource(path)
            if let runtime, runtime.name.hasPrefix("python"), source.archive == nil, let text = try source.content(of: "requirements.txt") {
                let requirements = Requirements(environment: processEnvironment(), progress: progress)
                try source.merge(
                    folder: requirements.install(text, in: path, runtime: runtime.name, interpreter: runtime.interpreter, again: false))
            }
        case nil: throw CommandFailure("\(resource.logicalID) has no code")
        }
        let package = try DeployPackage(source, environment: processEnvironment())
        packages[resource.identity] = package
        return CodeDigest.base64(hexadecimal: package.sha256)
    }

    /// The members that say where the code is; it is sent only if the server does not have it.
    mutating func code(of identity: StackResource.Identity, _ client: APIClient, mayReuse: Bool = true) async throws -> [JSON.Member] {
        guard var package = packages[identity] else { throw CommandFailure("\(identity.name) has no code") }
        if mayReuse, try await client.find(APIRequest("GET", MartletPaths.package(package.sha256))) != nil {
            return [.init("MartletSha256", .string(package.sha256))]
        }
        let archive = try package.archive()
        packages[identity] = package
        return [.init("ZipFile", .string(Data(archive).base64EncodedString()))]
    }
}
