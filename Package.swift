// swift-tools-version: 6.3
import PackageDescription

/// Settings shared by every Swift target.
let swiftSettings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .treatAllWarnings(as: .error),
]

let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

/// A library target with the shared settings.
func library(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

/// A command; thin by design, the work is in `CheckpointConversion` and below.
func command(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .executableTarget(
    name: name,
    dependencies: ["CommandSupport", argumentParser] + dependencies,
    swiftSettings: swiftSettings)
}

/// The tests of one module.
func tests(_ module: String, _ dependencies: [Target.Dependency] = [], resources: [Resource] = []) -> Target {
  .testTarget(
    name: module + "Tests",
    dependencies: ["TestSupport", "TensorTypes", "FileBytes"]
      + (["TensorTypes", "FileBytes"].contains(module) ? [] : [.target(name: module)]) + dependencies,
    resources: resources,
    swiftSettings: swiftSettings)
}

let package = Package(
  name: "pouch",
  platforms: [.macOS(.v26)],
  products: [
    .executable(name: "pouch-convert", targets: ["pouch-convert"]),
    .executable(name: "pouch-quantize", targets: ["pouch-quantize"]),
    .executable(name: "pouch-inspect", targets: ["pouch-inspect"]),
    .executable(name: "pouch-generate", targets: ["pouch-generate"]),
    .executable(name: "pouch-perplexity", targets: ["pouch-perplexity"]),
    .executable(name: "pouch-imatrix", targets: ["pouch-imatrix"]),
    .executable(name: "pouch-svg-eval", targets: ["pouch-svg-eval"]),
    .executable(name: "pouch-bench", targets: ["pouch-bench"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.1"),
  ],
  targets: [
    // 0: C
    .target(name: "CQuantKernels"),
    .target(name: "CRuntimeKernels"),
    .systemLibrary(
      name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"]), .brew(["zstd"])]),
    .systemLibrary(
      name: "CRsvg", pkgConfig: "librsvg-2.0", providers: [.apt(["librsvg2-dev"]), .brew(["librsvg"])]),

    // 1: types and bytes
    library("TensorTypes", []),
    library("FileBytes", []),

    // 2: containers and block formats
    library("SafetensorsFormat", ["TensorTypes", "FileBytes"]),
    library("GGUFFormat", ["TensorTypes", "FileBytes"]),
    library("ZstdStreams", ["CZstd", "FileBytes"]),
    library("BlockQuantization", ["CQuantKernels", "TensorTypes"]),
    library("SVGAnalysis", ["FileBytes"]),

    // 3: what models are
    library("TextTokenizers", ["TensorTypes", "FileBytes"]),
    library("ModelDescriptions", ["TensorTypes", "FileBytes", "TextTokenizers"]),
    library("ImportanceData", ["TensorTypes", "FileBytes", "GGUFFormat"]),
    library("QuantRecipes", ["TensorTypes", "FileBytes"]),

    library("TensorCompute", ["CQuantKernels", "TensorTypes", "FileBytes", "BlockQuantization"]),

    // 4: plan and executor; the runtime
    library(
      "CheckpointConversion",
      [
        "TensorTypes", "FileBytes", "SafetensorsFormat", "GGUFFormat", "ZstdStreams", "BlockQuantization",
        "ModelDescriptions", "TextTokenizers", "ImportanceData", "QuantRecipes",
      ]),

    library(
      "ReferenceRuntime",
      [
        "CRuntimeKernels", "TensorTypes", "FileBytes", "SafetensorsFormat", "GGUFFormat", "BlockQuantization",
        "TensorCompute", "ModelDescriptions", "TextTokenizers",
      ]),

    // 5: measuring
    library(
      "ModelEvaluation",
      [
        "TensorTypes", "FileBytes", "ZstdStreams", "GGUFFormat", "ImportanceData", "TextTokenizers",
        "ReferenceRuntime", "TensorCompute", "SVGAnalysis",
      ]),
    library("SVGRendering", ["CRsvg", "FileBytes", "SVGAnalysis"]),

    // 6: what all commands share
    library(
      "CommandSupport",
      [
        "TensorTypes", "FileBytes", "BlockQuantization", "QuantRecipes", "CheckpointConversion",
        "ModelDescriptions", argumentParser,
      ]),

    // 7: commands
    command(
      "pouch-convert",
      ["TensorTypes", "FileBytes", "CheckpointConversion", "ModelDescriptions", "QuantRecipes"]),
    command("pouch-quantize", ["TensorTypes", "FileBytes", "CheckpointConversion", "QuantRecipes"]),
    command(
      "pouch-inspect",
      [
        "TensorTypes", "FileBytes", "CheckpointConversion", "GGUFFormat", "SafetensorsFormat",
        "ModelDescriptions",
        "ZstdStreams",
      ]),
    command(
      "pouch-generate", ["TensorTypes", "FileBytes", "ReferenceRuntime", "TensorCompute", "TextTokenizers"]),
    command(
      "pouch-perplexity",
      ["TensorTypes", "FileBytes", "ReferenceRuntime", "TensorCompute", "TextTokenizers", "ModelEvaluation"]),
    command(
      "pouch-imatrix",
      [
        "TensorTypes", "FileBytes", "ReferenceRuntime", "TensorCompute", "TextTokenizers", "ModelEvaluation",
        "ImportanceData",
      ]),
    command(
      "pouch-svg-eval",
      [
        "TensorTypes", "FileBytes", "ReferenceRuntime", "TensorCompute", "TextTokenizers", "ModelEvaluation",
        "SVGAnalysis", "SVGRendering", .product(name: "Mustache", package: "swift-mustache"),
      ]),
    command("pouch-bench", ["TensorTypes", "FileBytes", "BlockQuantization", "TensorCompute"]),

    // tests
    .target(
      name: "TestSupport",
      dependencies: ["TensorTypes", "FileBytes"],
      path: "Tests/TestSupport",
      swiftSettings: swiftSettings),
    tests("TensorTypes"),
    tests("FileBytes"),
    tests("SafetensorsFormat", ["ZstdStreams"]),
    tests("GGUFFormat"),
    tests("ZstdStreams"),
    tests("BlockQuantization"),
    tests("SVGAnalysis", ["SVGRendering"], resources: [.copy("Hostile")]),
    tests("TextTokenizers", resources: [.copy("Encoding/Golden")]),
    tests("ModelDescriptions", ["TextTokenizers"], resources: [.copy("Golden")]),
    tests("ImportanceData", ["GGUFFormat"]),
    tests("QuantRecipes", resources: [.copy("Golden")]),
    tests("TensorCompute", ["BlockQuantization"]),
    tests(
      "ReferenceRuntime",
      [
        "CRuntimeKernels", "TensorCompute", "BlockQuantization", "GGUFFormat", "SafetensorsFormat",
        "ModelDescriptions",
        "TextTokenizers",
      ], resources: [.copy("Golden")]),
    tests(
      "ModelEvaluation",
      [
        "ReferenceRuntime", "TensorCompute", "TextTokenizers", "ImportanceData", "GGUFFormat", "SVGAnalysis",
        "SVGRendering",
      ]),
    tests(
      "CheckpointConversion",
      [
        "SafetensorsFormat", "GGUFFormat", "ZstdStreams", "BlockQuantization", "ModelDescriptions",
        "TextTokenizers", "ImportanceData", "QuantRecipes",
      ]),
    .testTarget(
      name: "CommandTests",
      dependencies: [
        "TestSupport", "TensorTypes", "FileBytes", "GGUFFormat", "SafetensorsFormat", "ZstdStreams",
        "pouch-convert", "pouch-quantize", "pouch-inspect", "pouch-bench", "pouch-svg-eval",
      ],
      swiftSettings: swiftSettings),
  ]
)
