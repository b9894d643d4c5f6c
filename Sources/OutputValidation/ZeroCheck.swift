internal import BlockQuantization
internal import FileBytes
internal import GGUFFormat
internal import ModelDescriptions
internal import TensorTypes

/// Matrices of one tensor that hold zeros alone.
struct ZeroWeights: Hashable, Sendable {
  /// The tensor in the file.
  var tensor: String
  /// Its type.
  var type: TensorType
  /// Its shape, fastest dimension first.
  var shape: [Int]
  /// The matrices (experts) of zeros.
  var matrices: [Int]
  /// All matrices.
  var matrixCount: Int

  /// Whether the tensor has rows and columns.
  var isMatrix: Bool { shape.filter { $0 > 1 }.count > 1 }
}

/// Grades weights that are zero.
///
/// Checkpoints have them for a reason: block expansion adds layers whose last projections are zero, pruning masks
/// experts. Writers make them by mistake: a lost expert, importance data that holds nothing for one. Only the source
/// tells which it is.
struct ZeroCheck {
  let zeros: [ZeroWeights]
  let layout: GGUFLayout?
  let purposes: TensorPurposes
  /// Whether the file says that it was quantized with importance data.
  let madeWithImportance: Bool
  /// What a comparison with the source saw, by the tensor's name; empty without a source.
  let compared: [String: SourceComparer.Tally]

  init(
    zeros: [ZeroWeights], layout: GGUFLayout?, purposes: TensorPurposes, madeWithImportance: Bool,
    tallies: [SourceComparer.Tally] = []
  ) {
    self.zeros = zeros
    self.purposes = purposes
    self.layout = layout
    self.madeWithImportance = madeWithImportance
    compared = Dictionary(tallies.map { ($0.pair.tensor.info.name, $0) }) { first, _ in first }
  }

  /// One finding for each tensor, or two where some of its zeros are the source's and some are not.
  func findings() -> [Finding] { zeros.flatMap(findings) }

  private func findings(_ item: ZeroWeights) -> [Finding] {
    guard item.isMatrix else {
      // A bias or a single scale may be zero.
      return [finding(item, item.matrices, .note, expected: "at least one value", found: "zeros alone")]
    }
    let names = layout?.fused[item.tensor]?.parts.map(\.name) ?? [item.tensor]
    let tallies = names.compactMap { compared[$0] }
    guard tallies.count == names.count else { return [alone(item)] }
    let lost = item.matrices.filter { matrix in
      tallies.contains { matrix < $0.matrices.count && hasWeights($0.matrices[matrix], item.type) }
    }
    let kept = item.matrices.filter { !lost.contains($0) }
    var result: [Finding] = []
    if !lost.isEmpty {
      result.append(
        finding(
          item, lost, .error, expected: "the source's weights, which are not zero", found: "zeros alone",
          remedy: madeWithImportance
            ? "importance data without anything for an expert does this; convert again with data that covers it"
            : "the writer lost them; convert the model again"))
    }
    if !kept.isEmpty {
      result.append(
        finding(item, kept, .note, expected: "weights", found: "zeros alone, as in the source"))
    }
    return result
  }

  /// Whether the source has a value other than zero.
  private func hasWeights(_ part: ComparisonPart, _ type: TensorType) -> Bool {
    // Types that cannot be decoded were compared as bytes.
    BlockQuantizer.canDequantize(type) ? part.sums.xx > 0 : part.differing > 0
  }

  /// Without a source, what zeros most likely are.
  private func alone(_ item: ZeroWeights) -> Finding {
    if [.tokenEmbedding, .output].contains(purposes[item.tensor].slot) {
      return finding(
        item, item.matrices, .error, expected: "weights", found: "zeros alone",
        remedy: "no model works without them; convert the model again")
    }
    if madeWithImportance, item.type.isQuantized {
      return finding(
        item, item.matrices, .error, expected: "weights", found: "zeros alone",
        remedy:
          "importance data without anything for an expert does this; if the model itself has the zeros, "
          + "comparing with its checkpoint (\(.source)) says so")
    }
    return finding(
      item, item.matrices, .warning, expected: "weights", found: "zeros alone",
      remedy:
        "block expansion and pruned experts look like this, and so does a loss while writing; comparing "
        + "with the source (\(.source)) tells which")
  }

  private func finding(
    _ item: ZeroWeights, _ matrices: [Int], _ severity: Finding.Severity, expected: String, found: String,
    remedy: Wording = ""
  ) -> Finding {
    let isPart = item.matrixCount > 1 && matrices.count < item.matrixCount
    let place = (matrices.count == 1 ? "expert " : "experts ") + shortList(matrices.map(String.init))
    return Finding(
      severity, isPart ? .zeroExpert : .zeroTensor, Wording(item.tensor), place: isPart ? place : "",
      expected: Wording(expected), found: Wording(found), remedy: remedy)
  }
}
