// swift-tools-version: 6.1
import PackageDescription

let package = Package(
    name: "MartletRuntime",
    products: [.library(name: "MartletRuntime", targets: ["MartletRuntime"])],
    targets: [
        .target(name: "MartletRuntime"),
        .testTarget(name: "MartletRuntimeTests", dependencies: ["MartletRuntime"]),
    ],
    swiftLanguageModes: [.v6]
)
