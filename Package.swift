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

/// The recipes that executables carry; `EmbeddedRecipes.swift` names them, too.
let recipeNames = [
  "bf16", "f16", "f32", "hybrid-q3_k_l-plus", "hybrid-q4_k_m-plus", "iq4_nl", "iq4_xs", "mxfp4_moe", "q2_k",
  "q2_k_s", "q3_k_l", "q3_k_m", "q3_k_s", "q4_0",
  "q4_1", "q4_k_m", "q4_k_s", "q5_0", "q5_1", "q5_k_m", "q5_k_s", "q6_k", "q8_0",
]

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
    .executable(name: "pouch-validate", targets: ["pouch-validate"]),
    .executable(name: "pouch-svg-eval", targets: ["pouch-svg-eval"]),
    .executable(name: "pouch-tune", targets: ["pouch-tune"]),
    .executable(name: "pouch-card", targets: ["pouch-card"]),
    .executable(name: "pouch-bench", targets: ["pouch-bench"]),
    .executable(name: "pouch-estimate", targets: ["pouch-estimate"]),
    .library(name: "PouchKit", targets: ["PouchKit"]),
    .library(name: "GGUFFormat", targets: ["GGUFFormat"]),
    .library(name: "SafetensorsFormat", targets: ["SafetensorsFormat"]),
    .library(name: "BlockQuantization", targets: ["BlockQuantization"]),
    .library(name: "TextTokenizers", targets: ["TextTokenizers"]),
    .library(name: "ReferenceRuntime", targets: ["ReferenceRuntime"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-crypto", from: "3.12.3"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.1"),
  ],
  targets: [
    // 0: C
    .target(name: "CQuantKernels"),
    .target(name: "CRuntimeKernels"),
    .target(name: "CBuiltinTexts"),
    .target(name: "CCurl", linkerSettings: [.linkedLibrary("dl", .when(platforms: [.linux]))]),
    .systemLibrary(
      name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"]), .brew(["zstd"])]),
    .target(name: "CRsvg", linkerSettings: [.linkedLibrary("dl", .when(platforms: [.linux]))]),

    // 1: types and bytes
    library("TensorTypes", []),
    library("FileBytes", []),
    library("JinjaTemplates", []),

    // 2: containers and block formats; the network
    library("HubAccess", ["CCurl", "FileBytes", .product(name: "Crypto", package: "swift-crypto")]),
    library("SafetensorsFormat", ["TensorTypes", "FileBytes"]),
    library("GGUFFormat", ["TensorTypes", "FileBytes"]),
    library("ZstdStreams", ["CZstd", "FileBytes"]),
    library("BlockQuantization", ["CQuantKernels", "TensorTypes"]),
    library("TensorAssembly", ["TensorTypes", "BlockQuantization"]),
    library("SVGAnalysis", ["FileBytes"]),
    library("ReportPages", ["FileBytes"]),

    // 3: what models are
    library("TextTokenizers", ["TensorTypes", "FileBytes", "JinjaTemplates"]),
    library("ModelDescriptions", ["TensorTypes", "FileBytes", "TextTokenizers"]),
    library("ImportanceData", ["TensorTypes", "FileBytes", "GGUFFormat"]),
    .target(
      name: "QuantRecipes",
      dependencies: [
        "TensorTypes", "FileBytes", "BlockQuantization", "ModelDescriptions",
        .product(name: "Yams", package: "Yams"),
      ],
      resources: recipeNames.map { .embedInCode("../../recipes/\($0).yaml") },
      swiftSettings: swiftSettings),

    library("TensorCompute", ["CQuantKernels", "TensorTypes", "FileBytes", "BlockQuantization"]),

    // 4: plan and executor; the runtime
    library(
      "CheckpointConversion",
      [
        "TensorTypes", "FileBytes", "SafetensorsFormat", "GGUFFormat", "ZstdStreams", "BlockQuantization",
        "TensorAssembly", "ModelDescriptions", "TextTokenizers", "ImportanceData", "QuantRecipes",
      ]),

    library(
      "ReferenceRuntime",
      [
        "CRuntimeKernels", "TensorTypes", "FileBytes", "SafetensorsFormat", "GGUFFormat", "ZstdStreams",
        "BlockQuantization", "TensorAssembly", "TensorCompute", "ModelDescriptions", "TextTokenizers",
      ]),

    // 5: measuring
    library(
      "ModelEvaluation",
      [
        "CBuiltinTexts", "TensorTypes", "FileBytes", "ZstdStreams", "GGUFFormat", "ImportanceData",
        "TextTokenizers", "ModelDescriptions", "ReferenceRuntime", "TensorCompute", "SVGAnalysis",
      ]),

    .target(
      name: "MemoryEstimation",
      dependencies: [
        "TensorTypes", "FileBytes", "SafetensorsFormat", "GGUFFormat", "ZstdStreams", "BlockQuantization",
        "ModelDescriptions", "TextTokenizers", "QuantRecipes", "CheckpointConversion", "ReferenceRuntime",
        "TensorCompute", "ModelEvaluation",
      ],
      exclude: ["Configs/README.md"], resources: [.embedInCode("Configs")], swiftSettings: swiftSettings),
    library(
      "OutputValidation",
      [
        "TensorTypes", "FileBytes", "GGUFFormat", "BlockQuantization", "ModelDescriptions", "ImportanceData",
        "QuantRecipes", "CheckpointConversion", .product(name: "Crypto", package: "swift-crypto"),
      ]),
    library("SVGRendering", ["CRsvg", "FileBytes", "SVGAnalysis"]),

    // 7: what follows from measuring; what all commands share
    library(
      "MixTuning",
      [
        "TensorTypes", "FileBytes", "BlockQuantization", "TensorCompute", "ImportanceData",
        "ModelDescriptions",
        "QuantRecipes", "CheckpointConversion", "ReferenceRuntime", "ModelEvaluation", "MemoryEstimation",
        "ReportPages",
      ]),
    library(
      "ModelCards",
      [
        "TensorTypes", "FileBytes", "GGUFFormat", "ModelDescriptions", "CheckpointConversion",
        "ModelEvaluation",
        "OutputValidation", "QuantRecipes", "MemoryEstimation", "ReportPages",
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "Yams", package: "Yams"),
      ]),
    library(
      "CommandSupport",
      [
        "TensorTypes", "FileBytes", "BlockQuantization", "QuantRecipes", "CheckpointConversion",
        "ModelDescriptions", "ImportanceData", "TensorCompute", "HubAccess", argumentParser,
      ]),

    // 8: the engines under one name for other programs; commands
    library(
      "PouchKit",
      [
        "TensorTypes", "FileBytes", "GGUFFormat", "SafetensorsFormat", "TensorCompute", "TextTokenizers",
        "ModelDescriptions", "ImportanceData", "QuantRecipes", "CheckpointConversion", "ReferenceRuntime",
        "ModelEvaluation", "MemoryEstimation", "OutputValidation",
      ]),
    command(
      "pouch-convert",
      ["TensorTypes", "FileBytes", "HubAccess", "CheckpointConversion", "ModelDescriptions", "QuantRecipes"]),
    command("pouch-quantize", ["TensorTypes", "FileBytes", "CheckpointConversion", "QuantRecipes"]),
    command(
      "pouch-inspect",
      [
        "TensorTypes", "FileBytes", "CheckpointConversion", "GGUFFormat", "SafetensorsFormat",
        "ModelDescriptions",
        "ZstdStreams", "OutputValidation", "HubAccess",
      ]),
    command(
      "pouch-validate",
      ["TensorTypes", "FileBytes", "HubAccess", "CheckpointConversion", "QuantRecipes", "OutputValidation"]),
    command(
      "pouch-generate",
      [
        "TensorTypes", "FileBytes", "ModelDescriptions", "ReferenceRuntime", "TensorCompute",
        "TextTokenizers",
      ]),
    command(
      "pouch-perplexity",
      [
        "TensorTypes", "FileBytes", "ModelDescriptions", "ReferenceRuntime", "TensorCompute",
        "TextTokenizers",
        "ModelEvaluation", "ReportPages", "HubAccess",
      ]),
    command(
      "pouch-imatrix",
      [
        "TensorTypes", "FileBytes", "ModelDescriptions", "ReferenceRuntime", "TensorCompute",
        "TextTokenizers",
        "ModelEvaluation", "ImportanceData", "HubAccess",
      ]),
    command(
      "pouch-svg-eval",
      [
        "TensorTypes", "FileBytes", "ModelDescriptions", "ReferenceRuntime", "TensorCompute",
        "TextTokenizers",
        "ModelEvaluation", "ReportPages", "SVGAnalysis", "SVGRendering",
        .product(name: "Mustache", package: "swift-mustache"),
      ]),
    command(
      "pouch-tune",
      [
        "TensorTypes", "FileBytes", "CheckpointConversion", "ModelEvaluation", "MemoryEstimation",
        "MixTuning",
        "QuantRecipes", "ReferenceRuntime", "TensorCompute", "TextTokenizers",
      ]),
    command("pouch-card", ["FileBytes", "ModelCards"]),
    command(
      "pouch-bench",
      [
        "TensorTypes", "FileBytes", "BlockQuantization", "TensorCompute", "MemoryEstimation",
        "ReferenceRuntime",
      ]),
    command(
      "pouch-estimate",
      [
        "TensorTypes", "FileBytes", "HubAccess", "CheckpointConversion", "QuantRecipes", "MemoryEstimation",
        "ModelEvaluation",
      ]),

    // tests
    .target(
      name: "TestSupport",
      dependencies: ["TensorTypes", "FileBytes", .product(name: "Crypto", package: "swift-crypto")],
      path: "Tests/TestSupport",
      swiftSettings: swiftSettings),
    tests("TensorTypes"),
    tests("FileBytes"),
    tests("SafetensorsFormat", ["ZstdStreams"]),
    tests("HubAccess", [.product(name: "Crypto", package: "swift-crypto")]),
    tests("GGUFFormat"),
    tests("ZstdStreams"),
    tests("BlockQuantization"),
    tests("TensorAssembly", ["BlockQuantization"]),
    tests("SVGAnalysis", ["SVGRendering"], resources: [.copy("Hostile")]),
    tests("JinjaTemplates", resources: [.copy("Golden")]),
    tests("TextTokenizers", resources: [.copy("Encoding/Golden")]),
    tests("ModelDescriptions", ["TextTokenizers"], resources: [.copy("Golden")]),
    tests("ImportanceData", ["GGUFFormat"]),
    tests("QuantRecipes", ["ModelDescriptions"], resources: [.copy("Golden")]),
    tests("TensorCompute", ["BlockQuantization"]),
    tests(
      "MixTuning",
      [
        "ModelDescriptions", "QuantRecipes", "TextTokenizers", "CheckpointConversion", "ReferenceRuntime",
        "ModelEvaluation",
      ]),
    tests(
      "ReferenceRuntime",
      [
        "CRuntimeKernels", "TensorCompute", "BlockQuantization", "GGUFFormat", "SafetensorsFormat",
        "ModelDescriptions",
        "TextTokenizers", "QuantRecipes", "CheckpointConversion", "ZstdStreams", "MixTuning",
      ], resources: [.copy("Golden")]),
    tests(
      "ModelEvaluation",
      [
        "ReferenceRuntime", "TensorCompute", "TextTokenizers", "ImportanceData", "GGUFFormat", "SVGAnalysis",
        "SVGRendering",
      ], resources: [.copy("Golden")]),
    tests(
      "CheckpointConversion",
      [
        "SafetensorsFormat", "GGUFFormat", "ZstdStreams", "BlockQuantization", "ModelDescriptions",
        "TextTokenizers", "ImportanceData", "QuantRecipes",
      ], resources: [.copy("Golden")]),
    tests(
      "MemoryEstimation",
      [
        "SafetensorsFormat", "GGUFFormat", "ModelDescriptions", "QuantRecipes", "CheckpointConversion",
        "ReferenceRuntime", "TensorCompute", "ModelEvaluation", "ZstdStreams",
      ]),
    tests(
      "OutputValidation",
      [
        "BlockQuantization", "GGUFFormat", "SafetensorsFormat", "ModelDescriptions", "QuantRecipes",
        "CheckpointConversion",
      ]),
    tests("ReportPages"),
    tests("ModelCards", [.product(name: "Yams", package: "Yams")]),
    tests("CommandSupport"),
    // What `samples/PouchKitExample` is made of, compiled here too: its package would compile all of Pouch again.
    .target(
      name: "ExampleVerbs", dependencies: ["PouchKit"],
      path: "samples/PouchKitExample/Sources/ExampleVerbs", packageAccess: false, swiftSettings: swiftSettings
    ),
    tests("PouchKit", ["ExampleVerbs"]),
    .testTarget(
      name: "CommandTests",
      dependencies: [
        "TestSupport", "TensorTypes", "FileBytes", "GGUFFormat", "SafetensorsFormat", "ZstdStreams",
        "BlockQuantization", "ImportanceData", "pouch-bench", "pouch-card", "pouch-convert", "pouch-estimate",
        "pouch-generate", "pouch-imatrix", "pouch-inspect", "pouch-perplexity", "pouch-quantize",
        "pouch-svg-eval", "pouch-tune", "pouch-validate",
      ],
      exclude: ["Snapshots"],
      swiftSettings: swiftSettings),
  ]
)
