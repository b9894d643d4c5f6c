internal import FileBytes
internal import GGUFFormat
internal import QuantRecipes
internal import TensorTypes

/// Types that a file should have for a reason other than a stock mix: a recipe, or flags in its provenance.
struct ExpectedTypes {
  /// What decides, as words.
  var title: String
  /// The recipe's name; `nil` for flags alone.
  var recipe: String?
  var mix: StockMix
  var options: MixOptions

  /// What a file should hold.
  ///
  /// - Parameters:
  ///   - given: The recipe that the user gave.
  ///   - record: What the file says of itself; receives what is known of its recipe.
  /// - Returns: `nil` when nothing but the stock mixes is at hand.
  static func find(given: Recipe?, record: inout ProvenanceRecord?) -> ExpectedTypes? {
    let recognised = record?.recognise(given: given)
    let own = record.flatMap { $0.describesFile ? $0 : nil }
    var options = own.flatMap(\.mixOptions) ?? MixOptions()
    let flags = own?.hasTypeFlags == true ? " and the flags that the file names" : ""
    if let recipe = given ?? (own == nil ? nil : recognised) {
      options.recipe = recipe
      options.pure = false
      return ExpectedTypes(
        title: "recipe \(recipe.name)" + flags, recipe: recipe.name, mix: recipe.stockMix, options: options)
    }
    guard let own, own.recipe == nil, own.hasTypeFlags, own.mixOptions != nil,
      let mix = own.mix.flatMap({ StockMix(rawValue: $0) }), mix != .copy
    else { return nil }
    return ExpectedTypes(title: mix.rawValue + flags, recipe: nil, mix: mix, options: options)
  }
}

extension MixRecognizer {
  /// Checks the types against what a recipe or flags make of them, in place of the stock mixes.
  ///
  /// - Returns: What was recognised and each deviation as a warning.
  func run(expecting expected: ExpectedTypes) -> (mix: MixRecognition, findings: [Finding]) {
    var result = run().mix
    result.recipe = expected.recipe
    result.recognised = expected.mix.rawValue
    result.isPure = expected.options.pure
    result.withImportance = false
    result.basis = expected.title
    result.deviations = []
    var options = expected.options
    options.importanceSupplied = metadata.contains { $0.key.hasPrefix("quantize.imatrix.") }
    var findings: [Finding] = []
    do {
      let facts = try MixModelFacts.from(metadata: metadata)
      result.deviations = try deviations(mix: expected.mix, options: options, facts: facts)
    } catch {
      result.recognised = nil
      let fault = (error as? any FaultError)?.fault
      findings.append(
        Finding(
          .warning, .mixDeviation, Wording(expected.title), expected: "rules that fit this model",
          found: fault.map { [$0.subject, $0.found].filter { !$0.isEmpty }.joined(separator: ": ") }
            ?? Wording("\(error)"), remedy: "the types are not checked"))
    }
    let number = expected.mix.fileType.map(Int.init)
    if let stated = result.fileType, let number, stated != number {
      findings.append(
        Finding(
          .warning, .fileType, "general.file_type",
          expected: "\(number), the number of \(expected.mix.rawValue), as \(expected.title) gives it",
          found: "\(stated)" + (result.stated.map { ", which is \($0)" } ?? ""),
          remedy: "the file was made by other means"))
    }
    return (result, findings + deviationFindings(result))
  }
}
