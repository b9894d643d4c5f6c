internal import BlockQuantization
internal import CheckpointConversion
internal import GGUFFormat
internal import ModelDescriptions
internal import TensorTypes

/// Turns the numbers of a comparison into verdicts, diagnoses and findings.
struct SourceJudge {
  /// Below this share of differing blocks of a type, these count as damaged and the rest as made by this very recipe.
  ///
  /// Builds with fused multiply-adds differ in about 1 % of Q4_K blocks.
  static let damageShare = 0.001
  /// The relative error may be this many times that of quantizing here when only the rounding is another.
  static let roundingFactor = 1.5
  /// The same when the file was made with importance data that is not at hand: it trades other errors for fewer ones
  /// where activations are large.
  static let importanceFactor = 3.0

  /// The relative error of values that were rounded to bf16 on the way.
  static let floatTolerance = 0.004

  let tallies: [SourceComparer.Tally]
  let plan: ConversionPlan
  let madeWithImportance: Bool
  let hasImportance: Bool

  /// The judgement of one tensor.
  struct Judged {
    var tensor: SourceComparison.Tensor
    var mismatch: Diagnosis.Case?
    var damage: Finding?
  }

  /// What a difference may be in types that lose little: as if the source had been rounded to bf16 on the way.
  private func floor(_ type: TensorType) -> Double {
    switch type {
    case .f32, .f16, .bf16: Self.floatTolerance
    default: 0.001
    }
  }

  /// Judges every tensor.
  func run() -> [Judged] {
    var blocks: [TensorType: (all: Int, differing: Int)] = [:]
    for tally in tallies {
      let type = tally.pair.tensor.info.type
      blocks[type, default: (0, 0)].all += tally.whole.blocks
      // What does not match at all says nothing about rounding.
      for matrix in tally.matrices where !isMismatch(matrix, type) {
        blocks[type]?.differing += matrix.differing
      }
    }
    return tallies.map { tally in
      let type = tally.pair.tensor.info.type
      let sum = blocks[type] ?? (0, 0)
      let isRare = Double(sum.differing) <= Self.damageShare * Double(sum.all) || sum.differing <= 2
      return judge(tally, type, othersAreExact: isRare)
    }
  }

  private var factor: Double {
    madeWithImportance && !hasImportance ? Self.importanceFactor : Self.roundingFactor
  }

  private func isMismatch(_ part: ComparisonPart, _ type: TensorType) -> Bool {
    guard part.differing > 0 else { return false }
    // A few wild blocks do not make it another matrix.
    let isFew = part.spikeCount <= max(2, part.blocks / 50) && part.spikeCount * 2 <= part.blocks
    let error = isFew ? part.calmError : part.relativeError
    let isClose = error <= max(factor * part.requantizedError, floor(type))
    return !isClose
  }

  private func verdict(_ part: ComparisonPart, _ type: TensorType, othersAreExact: Bool)
    -> SourceComparison.Verdict
  {
    if part.differing == 0 { return .exact }
    if isMismatch(part, type) { return .notFromSource }
    if part.spikeCount > 0 && !(madeWithImportance && !hasImportance) { return .damaged }
    return othersAreExact ? .damaged : .sameRecipe
  }

  private func judge(_ tally: SourceComparer.Tally, _ type: TensorType, othersAreExact: Bool) -> Judged {
    let info = tally.pair.tensor.info
    let whole = tally.whole
    let elements = Double(max(1, info.elementCount))
    let matrixElements = elements / Double(max(1, tally.matrices.count))
    let verdicts = tally.matrices.map { verdict($0, type, othersAreExact: othersAreExact) }
    let order: [SourceComparison.Verdict] = [.notFromSource, .damaged, .sameRecipe, .exact]
    let overall = order.first(where: verdicts.contains) ?? .exact
    let place = Place(info)
    var experts: [SourceComparison.Expert] = []
    if tally.matrices.count > 1 {
      experts = zip(tally.matrices, verdicts).enumerated().map { index, pair in
        SourceComparison.Expert(
          expert: index, rmse: (pair.0.sums.ee / matrixElements).squareRoot(),
          relativeError: pair.0.relativeError,
          requantizedError: pair.0.requantizedError, cosine: pair.0.sums.cosine,
          differingBlocks: pair.0.differing,
          verdict: pair.1)
      }
    }
    let blockValues = Double(type.isQuantized ? type.blockLength : 32)
    let result = SourceComparison.Tensor(
      name: info.name, type: type.name, verdict: overall, diagnosis: nil,
      rmse: (whole.sums.ee / elements).squareRoot(), relativeError: whole.relativeError,
      requantizedError: whole.requantizedError, cosine: whole.sums.cosine, blocks: whole.blocks,
      differingBlocks: whole.differing, worstBlock: place.text(block: whole.worstBlock),
      worstBlockRMSE: Double(max(0, whole.worstError) / Float(blockValues)).squareRoot(), experts: experts)
    var judged = Judged(tensor: result)
    if overall == .notFromSource {
      let bad = verdicts.indices.filter { verdicts[$0] == .notFromSource }
      var sum = ComparisonPart(firstRow: 0)
      for index in bad { sum.add(tally.matrices[index]) }
      judged.mismatch = Diagnosis.Case(
        pair: tally.pair, matrices: Array(bad), matrixCount: tally.matrices.count,
        expectedError: sum.requantizedError, cosine: sum.sums.cosine, relativeError: sum.relativeError,
        slope: sum.sums.xx > 0 ? sum.sums.xy / sum.sums.xx : 0)
    } else if overall == .damaged {
      let spikes = whole.spikeCount > 0
      let number = othersAreExact ? max(whole.differing, whole.spikeCount) : whole.spikeCount
      let first =
        spikes && !othersAreExact ? whole.spikes.first ?? whole.firstDiffering : whole.firstDiffering
      judged.damage = Finding(
        .error, .damagedBlock, info.name, place: place.text(block: first),
        expected: "the bytes that quantizing the source gives, as in "
          + "\(whole.blocks - number) of this tensor's \(whole.blocks) blocks",
        found: number == 1
          ? "other bytes in this block" : "other bytes in \(number) blocks, the first one here",
        remedy: "the file was damaged after it was made; fetch it again")
    }
    return judged
  }
}
