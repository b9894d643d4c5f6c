internal import ModelDescriptions
internal import QuantRecipes
internal import TensorAssembly
internal import TensorTypes

/// Experts that a source has as blocks of MXFP4 already, and what a plan makes of them.
///
/// Their values are those of 4 bits with a shared exponent, so that no other type holds them better; one that needs
/// more room for them is worse in every way. Rows of gpt-oss are 2880 wide, which the 256 values of most types' blocks
/// do not divide, so that the stock mixes fall back to such types.
struct KeptBlocks {
  /// Bytes of the experts as blocks of MXFP4.
  private(set) var keptByteCount = 0
  /// Bytes of the same experts as planned.
  private(set) var plannedByteCount = 0
  /// The types that are planned for them, by name.
  private(set) var typeNames: Set<String> = []
  /// The row length that the types of a mix did not divide; `nil` when none fell back.
  private(set) var oddRowLength: Int?

  init(_ plan: ConversionPlan) {
    for tensor in plan.tensors
    where Self.has(tensor.purpose, tensor.content, encoding: { plan.sources[$0].encoding }) {
      keptByteCount += tensor.elementCount / TensorType.mxfp4.blockLength * TensorType.mxfp4.blockByteCount
      plannedByteCount += tensor.byteCount
      typeNames.insert(tensor.type.name)
      if tensor.decision.fallbackFrom != nil { oddRowLength = tensor.rowLength }
    }
  }

  /// Whether blocks of MXFP4 come of the sources of experts by moving bits alone.
  ///
  /// - Parameters:
  ///   - purpose: What the tensor is for.
  ///   - content: Where its values come from.
  ///   - encoding: How a source encodes values, by its index.
  /// - Returns: `false` also for tensors other than experts, and for blocks of other layouts.
  static func has(
    _ purpose: TensorPurpose, _ content: TensorContent, encoding: (Int) -> SourceEncoding
  ) -> Bool {
    guard purpose.role == .routedExperts, case .feed(let feed) = content, !feed.runs.isEmpty else {
      return false
    }
    return feed.runs.allSatisfy { run in
      let own = encoding(run.source)
      if own == .block(.mxfp4) { return true }
      var scaleType: ElementType?
      if let scale = run.scale, case .element(let type) = encoding(scale.source) { scaleType = type }
      return MXFP4Repacking.applies(to: run, of: feed, encoding: own, scaleType: scaleType)
    }
  }

  /// What to say of a plan that makes them larger; `nil` when it keeps them or makes them smaller.
  ///
  /// - Parameters:
  ///   - mix: The name of what chose the types.
  ///   - isGGUF: Whether the source is a GGUF.
  /// - Returns: One sentence with sizes, types and the command that keeps them.
  func advice(mix: String, isGGUF: Bool) -> String? {
    guard plannedByteCount > keptByteCount else { return nil }
    let types = typeNames.sorted().joined(separator: ", ")
    let reason = oddRowLength.map { ", since its types do not fit rows of \($0)" } ?? ""
    let command =
      isGGUF
      ? "pouch-quantize INPUT OUTPUT MXFP4_MOE" : "pouch-convert MODEL --outtype MXFP4_MOE"
    return
      "the source has experts as MXFP4, \(Self.text(keptByteCount)); \(mix) makes \(types) of them\(reason), "
      + "\(Self.text(plannedByteCount)) with the same values at best, as llama-quantize does; the better file keeps "
      + "them as they are: \(command)"
  }

  private static func text(_ byteCount: Int) -> String {
    let (unit, name) = byteCount >= 100_000_000 ? (1e9, "GB") : (1e6, "MB")
    let tenths = (Double(byteCount) / unit * 10).rounded()
    return "\(tenths / 10) \(name)"
  }
}
