// swift-tools-version: 6.3
import PackageDescription

// Outside of Pouch's repository the dependency is `.package(url: …)`.
let package = Package(
  name: "PouchKitExample",
  platforms: [.macOS(.v26)],
  dependencies: [.package(name: "pouch", path: "../..")],
  targets: [
    .target(name: "ExampleVerbs", dependencies: [.product(name: "PouchKit", package: "pouch")]),
    .executableTarget(name: "PouchKitExample", dependencies: ["ExampleVerbs"]),
  ]
)
