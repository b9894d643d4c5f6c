internal import FileBytes
internal import ModelDescriptions
internal import QuantRecipes
internal import TensorTypes

/// Chooses how each tensor of a folder for MLX is stored.
struct MLXTypes {
  private let request: MLXRequest
  private let layout: MLXLayout
  private let isTied: Bool
  /// The type that all are cast to; `nil` when all keep their own.
  private let target: ElementType?
  /// The type of weights that are stored as codes.
  private let ofCodes: ElementType
  /// How many matrices each rule decides about.
  private(set) var counts: [Int]
  private(set) var notices: [ConversionPlan.Notice] = []
  /// Matrices whose rows hold no whole groups.
  private var unfit: [(name: String, groups: GroupFormat, rowLength: Int)] = []

  /// Prepares to choose.
  init(_ request: MLXRequest, _ layout: MLXLayout, config: ModelConfig, isTied: Bool) {
    self.request = request
    self.layout = layout
    self.isTied = isTied
    counts = [Int](repeating: 0, count: request.overrides.count)
    let names: [String: ElementType] = ["float16": .f16, "bfloat16": .bf16, "float32": .f32]
    // The keys that mlx-lm looks at: a plain configuration's own `dtype` is not one of them.
    let said = config.document["torch_dtype"] ?? config.document["text_config"]?["dtype"]
    target = request.floatType ?? said?.text.flatMap { names[$0] }
    ofCodes = target ?? (config["dtype"]?.text).flatMap { names[$0] } ?? .bf16
  }

  /// How the values of a tensor are stored, and what they are rounded to before.
  struct FloatTypes {
    /// The type in the output; of scales, where there are groups.
    var stored: TensorType
    /// The type in between.
    var rounded: TensorType
  }

  /// The types of a tensor's values.
  ///
  /// - Parameters:
  ///   - output: The tensor.
  ///   - encodings: How its sources are stored.
  ///   - isGrouped: Whether groups are made of the values.
  /// - Returns: The types.
  func floats(of output: OutputTensor, encodings: Set<SourceEncoding>, isGrouped: Bool) -> FloatTypes {
    let own = Set(
      encodings.map { encoding -> TensorType in
        switch encoding {
        case .element(.f16): .f16
        case .element(.bf16): .bf16
        case .element(.f32), .element(.f64): .f32
        default: Self.type(ofCodes)
        }
      })
    // Experts of several types are stacked in one that holds them all.
    let source = own.count == 1 ? own.first ?? .f32 : .f32
    let stored = layout.keepsType(output.slot) ? source : target.map(Self.type) ?? source
    // One is added in the type of the source, before it is cast.
    guard !isGrouped, case .feed(let feed) = output.content, feed.operation != .identity else {
      return FloatTypes(stored: stored, rounded: stored)
    }
    return FloatTypes(stored: stored, rounded: source)
  }

  /// The groups of a tensor, and why.
  mutating func groups(of output: OutputTensor) -> (groups: GroupFormat?, reason: DecisionReason) {
    guard output.slot.use == .product, output.ggmlShape.count > 1 else {
      return (nil, .notQuantizable(.vector))
    }
    let length = output.ggmlShape[0]
    for (index, rule) in request.overrides.enumerated() {
      guard rule.role.covers(output.purpose, isTied: isTied) else { continue }
      counts[index] += 1
      switch rule.choice {
      case .plain: return (nil, .typeOverride(rule.role.name))
      case .groups(let groups): return fitting(groups, output.name, length, .typeOverride(rule.role.name))
      }
    }
    guard let common = request.groups else { return (nil, .notQuantizable(.copy)) }
    guard layout.isFiner(output.slot), common.fits(rowLength: length) else {
      return fitting(common, output.name, length, .mixDefault)
    }
    return fitting(.router, output.name, length, .mixture("what mlx-lm gives to routers"))
  }

  private mutating func fitting(
    _ groups: GroupFormat, _ name: String, _ length: Int, _ reason: DecisionReason
  ) -> (groups: GroupFormat?, reason: DecisionReason) {
    guard groups.fits(rowLength: length) else {
      unfit.append((name, groups, length))
      return (nil, .mixture("rows of \(length) hold no whole groups of \(groups.groupSize)"))
    }
    return (groups, reason)
  }

  /// Refuses rules that catch nothing, and says what keeps its type although it is to be quantized.
  ///
  /// - Throws: ``ConversionError`` with `badOption`.
  mutating func finish() throws {
    let idle = zip(request.overrides, counts).filter { $1 == 0 }.map(\.0.role.name)
    guard idle.isEmpty else {
      throw ConversionError(
        .badOption,
        Fault(
          subject: "\(.typeOverrides)",
          expected: "roles that matrices of the model have, and no earlier rule takes",
          found: "rules that catch nothing: \(idle.joined(separator: ", "))",
          remedy: "remove them, or put them before the others"))
    }
    let alike = Dictionary(grouping: unfit) { [$0.rowLength, $0.groups.groupSize] }
    for (_, group) in alike.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
      guard let first = group.first else { continue }
      let others = group.count > 1 ? " and \(group.count - 1) more" : ""
      notices.append(
        ConversionPlan.Notice(
          subject: "\(first.name)\(others)",
          text:
            "rows of \(first.rowLength) hold no whole groups of \(first.groups.groupSize), so the values stay "
            + "as they are"))
    }
  }

  /// The same type among those of plans.
  static func type(_ type: ElementType) -> TensorType {
    switch type {
    case .f16: .f16
    case .bf16: .bf16
    default: .f32
    }
  }
}
