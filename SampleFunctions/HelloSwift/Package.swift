// swift-tools-version: 6.1
import PackageDescription

let package = Package(
    name: "HelloSwift",
    dependencies: [.package(name: "MartletRuntime", path: "../../Runtimes/Swift")],
    targets: [.executableTarget(name: "HelloSwift", dependencies: ["MartletRuntime"])],
    swiftLanguageModes: [.v6]
)
