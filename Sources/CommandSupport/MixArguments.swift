public import ArgumentParser
package import CheckpointConversion
internal import BlockQuantization
internal import FileBytes
internal import Foundation
public import ImportanceData
package import QuantRecipes
internal import TensorTypes

/// The flags that choose tensor types, named as llama-quantize names them.
package struct MixArguments: ParsableArguments {
  @Option(
    name: .customLong("recipe"),
    help: ArgumentHelp(
      "Types by a recipe, in place of a stock mix: a built-in name or a YAML file; repeatable, or several with commas, "
        + "for an output each.",
      valueName: "name|file"),
    completion: .list(RecipeLibrary.names))
  var recipes: [String] = []

  @Option(
    name: .customLong("tensor-type"),
    help: ArgumentHelp(
      "Give tensors whose name contains a match of a regular expression this type; repeatable, first match wins.",
      valueName: "regex=type"))
  var tensorTypes: [String] = []

  @Option(
    name: .customLong("tensor-type-file"),
    help: ArgumentHelp("A file of such rules, divided by white space.", valueName: "file"))
  var tensorTypeFile: String?

  @Option(
    name: .customLong("output-tensor-type"),
    help: ArgumentHelp("The type of output.weight.", valueName: "type"))
  var outputTensorType: String?

  @Option(
    name: .customLong("token-embedding-type"),
    help: ArgumentHelp("The type of token_embd.weight.", valueName: "type"))
  var tokenEmbeddingType: String?

  @Flag(name: .customLong("leave-output-tensor"), help: "Keep output.weight as it is in the source.")
  var leaveOutputTensor = false

  @Flag(name: .customLong("pure"), help: "Give all quantizable tensors the mix's default type.")
  var pure = false

  @Option(
    name: .customLong("imatrix"),
    help: ArgumentHelp("Importance matrix, GGUF or legacy .dat.", valueName: "file"))
  var imatrix: String?

  @Option(
    name: .customLong("include-weights"),
    help: ArgumentHelp("Use only importance entries whose name contains this; repeatable.", valueName: "text")
  )
  var includeWeights: [String] = []

  @Option(
    name: .customLong("exclude-weights"),
    help: ArgumentHelp("Ignore importance entries whose name contains this; repeatable.", valueName: "text"))
  var excludeWeights: [String] = []

  @Option(
    name: .customLong("blind-experts"),
    help: ArgumentHelp(
      "What experts without calibration tokens get: ones, as in llama.cpp; layer-mean, the mean of the other experts; "
        + "error, exit code 4.",
      valueName: "policy"))
  var blindExperts: BlindExpertPolicy?

  @Option(
    name: .customLong("override-kv"),
    help: ArgumentHelp(
      "Set a metadata entry (type: int, float, bool, str); repeatable.", valueName: "key=type:value"))
  var overrides: [String] = []

  @Flag(
    name: .customLong("no-provenance"),
    help: "Leave out the pouch.* metadata on sources, recipe and importance matrix; llama.cpp's exact files.")
  var noProvenance = false

  @Flag(
    name: .customLong("list-types"), help: "List the mixes and tensor types that can be written, and exit.")
  var listsTypes = false

  @Flag(name: .customLong("list-recipes"), help: "List the built-in recipes, and exit.")
  var listsRecipes = false

  /// Whether a list is wanted in place of a conversion.
  package var wantsList: Bool { listsTypes || listsRecipes }

  /// Prints the lists that are asked for on standard output.
  ///
  /// - Throws: Errors of the recipe library.
  package func printLists() throws {
    func row(_ name: String, _ text: String) {
      Standard.output(name + String(repeating: " ", count: max(1, 22 - name.count)) + text)
    }
    if listsTypes {
      for mix in StockMix.allCases {
        let number = mix.fileType.map { "file type \($0)" } ?? "every tensor keeps its type"
        row(mix.rawValue, "mix, " + number)
      }
      for type in TensorType.allCases where BlockQuantizer.canQuantize(type) {
        let bits = Double(type.blockByteCount * 8) / Double(type.blockLength)
        row(
          type.name,
          "tensor type, \(decimals(bits, 3)) bits per weight, rows of a multiple of \(type.blockLength)")
      }
    }
    if listsRecipes {
      for name in RecipeLibrary.names { row(name, try RecipeLibrary.recipe(name).description) }
    }
  }

  /// The flags that are given, but for lists.
  package var given: [String] {
    let flags: [(name: String, isGiven: Bool)] = [
      ("--recipe", !recipes.isEmpty), ("--tensor-type", !tensorTypes.isEmpty),
      ("--tensor-type-file", tensorTypeFile != nil), ("--output-tensor-type", outputTensorType != nil),
      ("--token-embedding-type", tokenEmbeddingType != nil), ("--leave-output-tensor", leaveOutputTensor),
      ("--pure", pure), ("--imatrix", imatrix != nil), ("--include-weights", !includeWeights.isEmpty),
      ("--exclude-weights", !excludeWeights.isEmpty), ("--blind-experts", blindExperts != nil),
      ("--override-kv", !overrides.isEmpty), ("--no-provenance", noProvenance),
    ]
    return flags.filter(\.isGiven).map(\.name)
  }

  /// Whether recipes are asked for.
  package var hasRecipes: Bool { !recipes.isEmpty }

  /// What chooses the types of each output: the types given, and then the recipes of these flags.
  ///
  /// - Throws: As ``loadRecipes()``.
  package func choices(types: [ConversionRequest.OutputType]) throws -> [OutputChoice] {
    types.map { OutputChoice($0) } + (try loadRecipes().map { OutputChoice($0) })
  }

  /// The recipes of these flags, each of which is for an output of its own.
  ///
  /// - Throws: ``UsageError``; `RecipeError` or `FileError` for a recipe that cannot be used.
  package func loadRecipes() throws -> [Recipe] {
    guard !pure || recipes.isEmpty else {
      throw UsageError(
        "--recipe", expected: "no --pure beside it", found: "both", remedy: "--pure switches all rules off")
    }
    // A file may have commas in its name.
    let names = recipes.flatMap { FileSystem.isFile($0) ? [$0] : Self.names(in: $0) }
    return try names.map { try RecipeLibrary.recipe($0) }
  }

  /// The words of a list with commas.
  package static func names(in list: String) -> [String] {
    list.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
  }

  /// Creates empty arguments, as the parser needs.
  package init() {}

  /// Fills the parts of `request` that these flags set.
  ///
  /// Types and recipes are up to ``choices(types:)``, since there may be several.
  ///
  /// - Throws: `RecipeError` or ``UsageError`` for values that do not parse.
  package func apply(to request: inout ConversionRequest) throws {
    request.writesProvenance = !noProvenance
    var rules = try tensorTypes.map { try TensorTypeRule(parsing: $0) }
    if let tensorTypeFile {
      guard let content = try? String(contentsOfFile: tensorTypeFile, encoding: .utf8) else {
        throw UsageError("--tensor-type-file", expected: "a readable text file", found: tensorTypeFile)
      }
      rules += try TensorTypeRule.parseFile(content, file: tensorTypeFile)
    }
    request.mixOptions.tensorTypeRules = rules
    request.mixOptions.outputTensorType = try outputTensorType.map {
      try TensorTypeRule.tensorType(named: $0)
    }
    request.mixOptions.tokenEmbeddingType = try tokenEmbeddingType.map {
      try TensorTypeRule.tensorType(named: $0)
    }
    let wanted =
      rules.map(\.type)
      + [request.mixOptions.outputTensorType, request.mixOptions.tokenEmbeddingType].compactMap(\.self)
    for type in wanted { try TensorTypeRule.requireWritable(type) }
    request.mixOptions.leaveOutputTensor = leaveOutputTensor
    request.mixOptions.pure = pure
    guard includeWeights.isEmpty || excludeWeights.isEmpty else {
      throw UsageError("--include-weights", expected: "no --exclude-weights beside it", found: "both")
    }
    guard imatrix != nil || (includeWeights.isEmpty && excludeWeights.isEmpty) else {
      throw UsageError("--include-weights, --exclude-weights", expected: "an --imatrix", found: "none")
    }
    guard imatrix != nil || blindExperts == nil else {
      throw UsageError("--blind-experts", expected: "an --imatrix", found: "none")
    }
    request.importancePath = imatrix
    request.blindExperts = blindExperts ?? .ones
    request.includeWeights = includeWeights
    request.excludeWeights = excludeWeights
    request.overrides = try KeyValueOverride.parse(overrides).map(\.entry)
  }
}

extension BlindExpertPolicy: ExpressibleByArgument {}
