internal import FileBytes
internal import TensorTypes

/// Whether a checkpoint stores norm weights minus one, for families whose own checkpoints do.
///
/// The answer is a property of the files, not of the family: MLX saves the same models with one added.
struct NormStorage {
  /// The norms of the trunk.
  private(set) var trunkIsOffset = true
  /// The norms of the next-token blocks, which other programs may have put beside the trunk.
  private(set) var nextTokenIsOffset = true
  /// What the user should know.
  private(set) var warnings: [String] = []

  private let signs: StorageSigns
  private let evidence: CheckpointEvidence?
  private let file: String

  /// Decides for a checkpoint.
  ///
  /// - Parameters:
  ///   - tensors: All tensors.
  ///   - norms: The names in the files of the norms that the family stores minus one, trunk and next-token blocks.
  ///   - evidence: What the files say; without it sizes alone matter, and the shapes decide.
  ///   - file: The name that errors give.
  /// - Throws: ``DescriptionError`` with `contradiction`, and what reading values throws.
  init(
    _ tensors: [SourceTensor], norms: (trunk: [String], nextToken: [String]),
    evidence: CheckpointEvidence?, file: String
  ) throws {
    signs = StorageSigns(tensors, formats: evidence?.formats ?? [])
    self.evidence = evidence
    self.file = file
    guard evidence != nil else {
      trunkIsOffset = signs.turned.isEmpty
      nextTokenIsOffset = trunkIsOffset
      return
    }
    guard signs.turned.isEmpty || signs.unturned.isEmpty else {
      throw contradiction(
        subject: signs.turned.first ?? "",
        found: "\(signs.turned.count) convolutions that are "
          + "[channels, kernel, 1], as MLX stores them, and \(signs.unturned.count) that are [channels, 1, kernel], "
          + "such as \(signs.unturned.first ?? "")",
        remedy:
          "the tensors come from two checkpoints whose norm weights are stored in two ways; take one of them")
    }
    let values = try read(norms.trunk)
    switch signs.verdict {
    case .minusOne:
      if let values, values.areFarFromMinusOne {
        warnings.append(
          "norm weights look as if one was added already (\(values.summary)); names and shapes are those of "
            + "transformers, which stores them minus one, so one is added")
      }
    case .plain:
      trunkIsOffset = false
      try refuseNegative(values)
      warnings.append(
        "stored as MLX saves it (\(signs.ofMLX.joined(separator: ", "))): one was added to the norm weights "
          + "already, so they are taken as they are")
    case .unclear: try decide(by: values)
    }
    if !trunkIsOffset { try decideNextToken(norms.nextToken) } else { nextTokenIsOffset = true }
  }

  /// Lets the values of the trunk's norms decide.
  private mutating func decide(by values: NormValues?) throws {
    let contradictions =
      (signs.ofMLX.isEmpty ? "" : "as MLX saves it: " + signs.ofMLX.joined(separator: ", "))
      + (signs.ofTransformers.isEmpty
        ? "" : "; as transformers saves it: " + signs.ofTransformers.joined(separator: ", "))
    guard let values, values.areMinusOne != values.arePlain else {
      throw contradiction(
        subject: (signs.turned + signs.unturned).first ?? signs.stacked ?? "norm weights",
        found: contradictions + "; "
          + (values.map { "\($0.summary), which fits neither clearly" }
            ?? "the norm weights cannot be read to decide (compressed or in another type)"),
        remedy: "convert the original checkpoint, or save this one again with the program that made it")
    }
    if values.arePlain { try refuseNegative(values) }
    trunkIsOffset = values.areMinusOne
    warnings.append(
      "the signs of who stored the checkpoint contradict each other (\(contradictions)); the norm weights decide: "
        + values.summary + ", so "
        + (trunkIsOffset ? "one is added to them" : "one was added already and they are taken as they are"))
  }

  /// The norms beside a trunk of MLX: mlx-lm leaves these blocks out, so whoever put them back may have shifted them
  /// or not.
  private mutating func decideNextToken(_ norms: [String]) throws {
    guard !norms.isEmpty else {
      nextTokenIsOffset = trunkIsOffset
      return
    }
    guard let values = try read(norms), values.areMinusOne != values.arePlain else {
      throw contradiction(
        subject: norms[0],
        found:
          "a next-token block beside a trunk that MLX saved, which leaves such blocks out; its values do not "
          + "say how its norm weights are stored",
        remedy: "leave the block out with \(.trunkAlone)")
    }
    nextTokenIsOffset = values.areMinusOne
    if nextTokenIsOffset {
      warnings.append(
        "the norm weights of the next-token block are stored minus one (\(values.summary)), unlike those of the "
          + "trunk; one is added to them alone")
    }
  }

  /// Refuses norms of MLX that are stored minus one all the same.
  private func refuseNegative(_ values: NormValues?) throws {
    guard let values, !values.negativeTensors.isEmpty else { return }
    let shown = values.negativeTensors.prefix(4).map { "\($0.name) (\(NormValues.percent($0.share)))" }
    let more = values.negativeTensors.count - shown.count
    throw contradiction(
      subject: values.negativeTensors[0].name,
      found: "norm weights of which a large part is negative, as only weights stored minus one are: "
        + shown.joined(separator: ", ") + (more > 0 ? " and \(more) more" : "")
        + "; but " + signs.ofMLX.joined(separator: ", "),
      remedy: "parts of two checkpoints were mixed, or an old converter made this one; convert the original")
  }

  private func read(_ names: [String]) throws -> NormValues? {
    guard let evidence, !names.isEmpty else { return nil }
    var result = NormValues()
    for name in names {
      guard let values = try evidence.values(name) else { return nil }
      result.add(name, values)
    }
    return result
  }

  private func contradiction(subject: String, found: String, remedy: Wording) -> DescriptionError {
    DescriptionError(
      .contradiction,
      Fault(
        file: file, subject: Wording(subject),
        expected:
          "norm weights stored in one way: minus one as transformers stores them, or whole as MLX does",
        found: Wording(found), remedy: remedy))
  }
}
