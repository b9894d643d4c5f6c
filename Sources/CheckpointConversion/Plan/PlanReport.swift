public import FileBytes
internal import ModelDescriptions
internal import QuantRecipes
internal import TensorTypes

/// A plan as numbers for `--json` and tables: totals by type and role, and every tensor.
public struct PlanReport: Codable, Sendable {
  /// One output tensor.
  public struct Tensor: Codable, Sendable {
    /// The GGUF name.
    public var name: String
    /// The shape, fastest dimension first.
    public var shape: [Int]
    /// The type before quantization.
    public var sourceType: String
    /// The type in the output.
    public var type: String
    /// What decided the type.
    public var reason: Wording
    /// Bytes as stored.
    public var bytes: Int
    /// Where the bytes start in the file.
    public var offset: Int
    /// The output file's index.
    public var file: Int
  }

  /// A sum over tensors.
  public struct Total: Codable, Sendable {
    /// The type or role.
    public var name: String
    /// Tensors.
    public var tensors: Int
    /// Weights.
    public var weights: Int
    /// Bytes as stored.
    public var bytes: Int

    /// Counts one more tensor.
    mutating func add(weights: Int, bytes: Int) {
      tensors += 1
      self.weights += weights
      self.bytes += bytes
    }
  }

  /// The architecture string.
  public var architecture: String
  /// The stock mix, or the format of an output for MLX.
  public var mix: String
  /// The recipe; `nil` without one.
  public var recipe: String?
  /// What each rule did, in the order in which they are tried.
  public var rules: [RuleReport]
  /// The output files.
  public var files: [String]
  /// The size of each output file in bytes.
  public var bytesByFile: [String: Int]
  /// Bytes of all files.
  public var fileBytes: Int
  /// Bytes of all tensors.
  public var tensorBytes: Int
  /// Bytes of all tensors before quantization.
  public var sourceBytes: Int
  /// Weights in all tensors.
  public var weights: Int
  /// Average bits per weight.
  public var bitsPerWeight: Double
  /// Sums by type, largest first.
  public var byType: [Total]
  /// Sums by role, largest first.
  public var byRole: [Total]
  /// Source tensors that are left out, with the reason.
  public var skipped: [String: String]
  /// The importance data in use, with all blind and thin experts.
  package var importance: PlannedImportance?
  /// What the user should know.
  public var notices: [Wording]
  /// Every tensor, in file order.
  public var tensors: [Tensor]

  /// Makes the report of a plan.
  package init(_ plan: ConversionPlan) {
    architecture = plan.architecture
    mix = plan.folder?.formatName ?? plan.mix.rawValue
    recipe = plan.recipe?.name
    rules = plan.rules
    files = plan.files.map(\.path)
    bytesByFile = Dictionary(
      plan.files.map { ($0.path, $0.byteCount) }, uniquingKeysWith: { first, _ in first })
    fileBytes = plan.fileByteCount
    tensorBytes = plan.tensorByteCount
    sourceBytes = plan.sourceByteCount
    weights = plan.weightCount
    bitsPerWeight = plan.bitsPerWeight
    byType = Self.totals(plan.tensors) { $0.typeName }
    byRole = Self.totals(plan.tensors) { $0.role.rawValue }
    skipped = Dictionary(plan.skipped.map { ($0.name, $0.reason) }, uniquingKeysWith: { first, _ in first })
    importance = plan.importance
    notices = plan.notices.map(\.line) + plan.advice.map { Wording($0) }
    tensors = plan.tensors.map {
      Tensor(
        name: $0.name, shape: $0.ggmlShape, sourceType: $0.sourceType.name, type: $0.typeName,
        reason: $0.decision.summary(recipe: plan.recipe), bytes: $0.byteCount, offset: $0.offset,
        file: $0.file)
    }
  }

  private static func totals(_ tensors: [PlannedTensor], by key: (PlannedTensor) -> String) -> [Total] {
    var sums: [String: Total] = [:]
    for tensor in tensors {
      let name = key(tensor)
      sums[name, default: Total(name: name, tensors: 0, weights: 0, bytes: 0)]
        .add(weights: tensor.elementCount, bytes: tensor.byteCount)
    }
    return sums.values.sorted { ($0.bytes, $1.name) > ($1.bytes, $0.name) }
  }
}
