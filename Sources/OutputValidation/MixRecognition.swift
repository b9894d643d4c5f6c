internal import FileBytes
internal import GGUFFormat
internal import ModelDescriptions
internal import QuantRecipes
internal import TensorTypes

/// Which stock mix a file holds, whatever it says.
public struct MixRecognition: Codable, Hashable, Sendable {
  /// A tensor whose type is not that of the mix.
  public struct Deviation: Codable, Hashable, Sendable {
    /// The tensor.
    public var tensor: String
    /// The type that the mix gives it.
    public var expected: String
    /// The type that it has.
    public var found: String
  }

  /// The mix that `general.file_type` names; `nil` when it is absent or none that is known here.
  public var stated: String?
  /// The number in `general.file_type`.
  public var fileType: Int?
  /// The mix whose types the tensors have, or come nearest to.
  public var recognised: String?
  /// Whether the recognised mix is meant without its mixture rules, as `--pure` makes it.
  public var isPure = false
  /// Whether the tensors' types depend on an importance matrix having been given.
  public var withImportance = false
  /// Tensors that deviate from the recognised mix, or from ``recipe``.
  public var deviations: [Deviation] = []
  /// The recipe that the types were checked against; `nil` for a stock mix.
  public var recipe: String?
  /// What the types were checked against in place of a stock mix, as words: a recipe, or flags that the file names.
  public var basis: String?

  /// What the types were checked against.
  public var title: String {
    if let basis { return basis }
    guard let recognised else { return "unknown" }
    return recognised + (isPure ? " (pure)" : "")
  }
}

/// Compares the types in a file with what the stock mixes make of its tensors.
struct MixRecognizer {
  private struct Candidate {
    var mix: StockMix
    var isPure: Bool
    var withImportance: Bool
    var deviations: [MixRecognition.Deviation]
    /// Bytes in tensors that deviate.
    var weight: Int
  }

  let metadata: [MetadataEntry]
  let tensors: [GGUFTensorInfo]
  let purposes: TensorPurposes

  /// Recognises the mix; findings say where the file does not hold what it says.
  func run() -> (mix: MixRecognition, findings: [Finding]) {
    var result = MixRecognition()
    let number = metadata.value("general.file_type")?.integer
    result.fileType = number
    let stated = number.flatMap { number in
      StockMix.allCases.first { $0.fileType == UInt32(exactly: number) && $0 != .copy }
    }
    result.stated = stated?.rawValue
    guard let facts = try? MixModelFacts.from(metadata: metadata), !tensors.isEmpty else {
      return (result, [])
    }
    let usedImportance = metadata.contains { $0.key.hasPrefix("quantize.imatrix.") }
    var candidates: [Candidate] = []
    for mix in StockMix.allCases where mix != .copy {
      for isPure in [false, true] where !isPure || mix.defaultType?.isQuantized == true {
        for withImportance in usedImportance ? [true] : [false, true] {
          if let candidate = candidate(mix, isPure, withImportance, facts) { candidates.append(candidate) }
        }
      }
    }
    func rank(_ c: Candidate) -> Int {
      (c.deviations.isEmpty ? 0 : 8) + (c.mix == stated ? 0 : 4) + (c.isPure ? 2 : 0)
        + (c.withImportance ? 1 : 0)
    }
    let exact = candidates.filter(\.deviations.isEmpty).min { rank($0) < rank($1) }
    let ofStated = candidates.filter { $0.mix == stated }.min {
      ($0.weight, rank($0)) < ($1.weight, rank($1))
    }
    let nearest = candidates.min { ($0.weight, rank($0)) < ($1.weight, rank($1)) }
    if stated == nil, number != nil, exact == nil {
      // Nearness to some mix says nothing about a file that claims to be of another one.
      return (result, findings(result, stated: nil, ofStated: [], isExact: false))
    }
    guard let chosen = exact ?? ofStated ?? nearest else { return (result, []) }
    result.recognised = chosen.mix.rawValue
    result.isPure = chosen.isPure
    result.withImportance = chosen.withImportance && !usedImportance
    result.deviations = chosen.deviations
    return (
      result, findings(result, stated: stated, ofStated: ofStated?.deviations ?? [], isExact: exact != nil)
    )
  }

  private func candidate(
    _ mix: StockMix, _ isPure: Bool, _ withImportance: Bool, _ facts: MixModelFacts
  ) -> Candidate? {
    var options = MixOptions()
    options.pure = isPure
    options.importanceSupplied = withImportance
    guard let deviations = try? deviations(mix: mix, options: options, facts: facts) else { return nil }
    let sizes = Dictionary(tensors.map { ($0.name, $0.byteCount) }) { first, _ in first }
    return Candidate(
      mix: mix, isPure: isPure, withImportance: withImportance, deviations: deviations,
      weight: deviations.reduce(0) { $0 + (sizes[$1.tensor] ?? 0) })
  }

  /// The tensors whose types are not those that a mix or recipe gives.
  ///
  /// - Throws: `RecipeError` when the rules do not fit the model.
  func deviations(
    mix: StockMix, options: MixOptions, facts: MixModelFacts
  ) throws -> [MixRecognition.Deviation] {
    // Quantized tensors stand for 16-bit ones in the source; the others keep their type when the mix keeps them.
    let inputs = tensors.map {
      MixTensor(
        name: $0.name, ggmlShape: $0.ggmlShape.isEmpty ? [1] : $0.ggmlShape,
        type: [.f32, .f16].contains($0.type) ? $0.type : .bf16, purpose: purposes[$0.name])
    }
    let decisions = try TypeMixer.decide(mix: mix, options: options, facts: facts, tensors: inputs)
    return zip(tensors, decisions).compactMap { tensor, decision in
      decision.type == tensor.type
        ? nil : .init(tensor: tensor.name, expected: decision.type.name, found: tensor.type.name)
    }
  }

  private func findings(
    _ result: MixRecognition, stated: StockMix?, ofStated: [MixRecognition.Deviation], isExact: Bool
  ) -> [Finding] {
    let key = "general.file_type"
    guard let number = result.fileType else { return [] }
    guard let stated else {
      let isKnown = [19, 20, 22, 23, 24, 26, 27, 28, 29, 31, 36, 37, 39, 40, 41].contains(number)
      return [
        Finding(
          isKnown ? .note : .error, isKnown ? .notChecked : .fileType, key,
          expected: "a mix that is known here", found: "\(number)",
          remedy: isKnown ? "the types of this mix are not checked" : "correct the key")
      ]
    }
    if isExact, result.recognised != stated.rawValue {
      let shown = ofStated.prefix(3).map { "\($0.tensor) is \($0.found), not \($0.expected)" }
      return [
        Finding(
          .error, .fileType, key, expected: "\(result.title), whose types all tensors have",
          found: "\(number), which is \(stated.rawValue): " + shortList(shown, limit: 3)
            + (ofStated.count > 3 ? " (\(ofStated.count) tensors in all)" : ""),
          remedy: "correct the key")
      ]
    }
    return deviationFindings(result)
  }

  /// A warning for each deviation.
  func deviationFindings(_ result: MixRecognition) -> [Finding] {
    result.deviations.map {
      Finding(
        .warning, .mixDeviation, $0.tensor, expected: "\($0.expected), as \(result.title) gives it",
        found: $0.found,
        remedy: result.basis == nil
          ? "fine if the file was made with rules of its own" : "the file was made with other rules")
    }
  }
}
