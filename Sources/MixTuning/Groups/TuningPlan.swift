package import CheckpointConversion
internal import FileBytes
internal import ModelDescriptions
package import QuantRecipes
package import ReferenceRuntime
package import TensorTypes

/// The groups of a model and what each may become, from plans of its conversion to every candidate type.
///
/// Sizes are those of the plans, substitutes for rows that do not fit a type included, so that what is predicted is what is
/// written.
package struct TuningPlan: Sendable {
  /// What is asked of every conversion: source, importance data.
  let request: ConversionRequest
  /// The candidate types, by size.
  package let types: [TensorType]
  /// The conversion to each candidate type, and to that of tensors that no text reaches.
  private let conversions: [TensorType: PreparedConversion]
  /// All groups, with candidates whose divergence is 0.
  package let rows: [SensitivityTable.Row]
  /// Bytes of the file that belong to no group: the header apart, tensors that are never quantized.
  package let fixedByteCount: Int
  /// The plan of the first type, for what all plans have in common.
  package let plan: ConversionPlan
  /// What rules know of the model beside its tensors.
  let facts: MixModelFacts
  /// Tensors of the output by name, for each candidate type.
  let tensors: [TensorType: [String: PlannedTensor]]

  /// Plans.
  ///
  /// - Parameters:
  ///   - request: The source and the importance data; types in it are ignored.
  ///   - types: The candidate types.
  ///   - model: The source as it runs.
  /// - Throws: ``TuningError`` with `notTunable`; what the planner throws.
  package init(request: ConversionRequest, types: [TensorType], model: LoadedModel) throws {
    var request = request
    request.outputPath = "pouch-tune-{recipe}.gguf"
    request.samplesSources = false
    self.request = request
    self.types = types
    let wanted = types + (types.contains(CandidateTypes.unreached) ? [] : [CandidateTypes.unreached])
    let recipes = try wanted.map { type in
      try RecipeLibrary.recipe(
        text: Array(
          "name: all-\(type.name.lowercased())\ndescription: All at one type.\ndefault: \(type.name)\n".utf8),
        file: "all.yaml")
    }
    let prepared = try Self.prepare(request, recipes)
    conversions = Dictionary(zip(wanted, prepared)) { first, _ in first }
    let tensors = conversions.mapValues { conversion in
      Dictionary(conversion.plan.tensors.map { ($0.name, $0) }) { first, _ in first }
    }
    self.tensors = tensors
    plan = prepared[0].plan
    guard let layerCount = plan.model?.layers.count, let facts = plan.facts else {
      throw TuningError(
        .notTunable,
        Fault(
          file: request.source, expected: "a model whose layers are known",
          found: "architecture \(plan.architecture)"))
    }
    self.facts = facts
    let (groups, kept) = Self.groups(plan, layerCount: layerCount)
    guard !groups.isEmpty else {
      throw TuningError(
        .notTunable, Fault(file: request.source, expected: "tensors that can be quantized", found: "none"))
    }
    fixedByteCount = kept.reduce(0) { $0 + $1.paddedByteCount }
    var rows: [SensitivityTable.Row] = []
    for group in groups {
      let isReached: Bool
      switch group.role {
      case .nextToken, .other: isReached = false
      default:
        isReached = try model.replaceableNames(layer: group.layer).isSuperset(of: group.tensors)
      }
      var candidates: [SensitivityTable.Candidate] = []
      for type in isReached ? types : [CandidateTypes.unreached] {
        let own = group.tensors.compactMap { tensors[type]?[$0] }
        let candidate = SensitivityTable.Candidate(
          type: type, storedTypes: Self.storedTypes(own),
          byteCount: own.reduce(0) { $0 + $1.paddedByteCount }, divergence: 0)
        // Types that end at the same substitutes are one candidate.
        let isKnown = candidates.contains {
          $0.byteCount == candidate.byteCount && $0.storedTypes == candidate.storedTypes
        }
        if !isKnown { candidates.append(candidate) }
      }
      candidates.sort { ($0.byteCount, $0.type.rawValue) < ($1.byteCount, $1.type.rawValue) }
      rows.append(SensitivityTable.Row(group: group, isMeasured: isReached, candidates: candidates))
    }
    self.rows = rows
  }

  /// The plan of a conversion to a recipe: what will be written.
  ///
  /// - Parameters:
  ///   - recipe: The recipe.
  ///   - path: The output; `nil` for plans that are not executed.
  /// - Returns: The conversion.
  /// - Throws: What the planner throws.
  package func conversion(to recipe: Recipe, path: String? = nil) throws -> PreparedConversion {
    var request = request
    if let path {
      request.outputPath = path
      request.samplesSources = true
    }
    request.writesProvenance = true
    return try Self.prepare(request, [recipe])[0]
  }

  /// The importance of the columns of a matrix; `nil` where all weigh alike.
  func importance(of tensor: String, type: TensorType, matrix: Int) throws -> [Float]? {
    guard let conversion = conversions[type], let planned = tensors[type]?[tensor] else { return nil }
    return try conversion.importanceWeights(of: planned, matrix: matrix)
  }

  private static func prepare(_ request: ConversionRequest, _ recipes: [Recipe]) throws
    -> [PreparedConversion]
  {
    let outputs = recipes.map { OutputChoice($0) }
    do {
      return FileSystem.kind(of: request.source) == .folder
        ? try ConversionPlanner.prepareCheckpoint(request, outputs: outputs)
        : try ConversionPlanner.prepareGGUF(request, outputs: outputs)
    } catch let error as RecipeError where error.code == .requantizationNotAllowed {
      throw TuningError(
        .notTunable,
        Fault(
          file: request.source, expected: "a model at 16 or 32 bits",
          found: "quantized tensors: \(error.fault.subject)",
          remedy: "give the checkpoint that the file was made of"))
    }
  }

  /// Brings the tensors that are quantized into groups; the others are returned, too.
  private static func groups(_ plan: ConversionPlan, layerCount: Int) -> (
    groups: [TuningGroup], kept: [PlannedTensor]
  ) {
    struct Key: Hashable {
      var role: TuningRole
      var layer: Int?
    }
    var groups: [Key: TuningGroup] = [:]
    var kept: [PlannedTensor] = []
    for tensor in plan.tensors {
      if case .notQuantizable = tensor.decision.reason {
        kept.append(tensor)
        continue
      }
      let isNextToken = tensor.purpose.block.map { $0 >= layerCount } ?? false
      let role = isNextToken ? .nextToken : TuningRole(tensor.purpose)
      let key = Key(role: role, layer: role.isPerLayer ? tensor.purpose.block : nil)
      groups[
        key, default: TuningGroup(role: role, layer: key.layer, tensors: [], weights: 0)
      ].tensors.append(tensor.name)
      groups[key]?.weights += tensor.elementCount
    }
    let order = Dictionary(uniqueKeysWithValues: TuningRole.allCases.enumerated().map { ($1, $0) })
    func place(_ group: TuningGroup) -> (Int, Int) {
      let layer = group.role == .nextToken ? .max : group.layer ?? -1
      return (layer, order[group.role] ?? 0)
    }
    return (groups.values.sorted { place($0) < place($1) }, kept)
  }

  private static func storedTypes(_ tensors: [PlannedTensor]) -> [TensorType] {
    var counts: [TensorType: Int] = [:]
    for tensor in tensors { counts[tensor.type, default: 0] += 1 }
    return counts.sorted { ($1.value, $0.key.rawValue) < ($0.value, $1.key.rawValue) }.map(\.key)
  }
}

extension PlannedTensor {
  /// Bytes that the tensor takes in a file, where tensors start at multiples of 32.
  fileprivate var paddedByteCount: Int { (byteCount + 31) / 32 * 32 }
}
