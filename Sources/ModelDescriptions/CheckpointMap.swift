internal import FileBytes
package import TensorTypes

/// What a checkpoint becomes: every output tensor with where its values come from.
package struct CheckpointMap: Sendable {
  /// The family.
  package var family: ModelFamily
  /// The hyper-parameters, with as many next-token blocks as are converted.
  package var model: HyperParameters
  /// What the tensors become.
  package var tensors: TensorMapping
  /// What the configuration says and the output cannot.
  package var losses: [ConfigurationLoss] = []

  /// See ``TensorMapping/outputs``.
  package var outputs: [OutputTensor] { tensors.outputs }
  /// See ``TensorMapping/skipped``.
  package var skipped: [TensorMapping.SkippedTensor] { tensors.skipped }
  /// Things that the user should know, one sentence each.
  package var warnings: [String] {
    get { tensors.warnings }
    set { tensors.warnings = newValue }
  }
  /// See ``TensorMapping/encodings``.
  package var encodings: [Int: SourceEncoding] { tensors.encodings }
  /// See ``TensorMapping/hasScales``.
  package var hasScales: Bool { tensors.hasScales }
  /// See ``TensorMapping/automaticType``.
  package var automaticType: TensorType { tensors.automaticType }

  /// How the bytes of a source encode values; see ``TensorMapping/encoding(of:_:)``.
  package func encoding(of index: Int, _ tensor: SourceTensor) -> SourceEncoding {
    tensors.encoding(of: index, tensor)
  }

  /// The layers of the model, as the tensors complete them.
  package var architecture: Architecture {
    var architecture = model.architecture(of: family)
    architecture.tiedEmbeddings = !outputs.contains { $0.slot == .output }
    return architecture
  }

  /// Where outputs are that hold several tensors of which a forward pass looks for each.
  package var layout: GGUFLayout {
    let names = Set(outputs.map(\.name))
    return GGUFLayout(family: family, model: model) { names.contains($0) }
  }

  /// Refuses a configuration whose output would be wrong from the first token on.
  ///
  /// - Parameter file: The name of the configuration, for the message.
  /// - Throws: ``DescriptionError`` with `notSupported`.
  package func refuseFatalLosses(file: String) throws {
    let fatal = losses.filter(\.isFatal)
    guard !fatal.isEmpty else { return }
    throw DescriptionError(
      .notSupported,
      Fault(
        file: file, subject: fatal.map(\.key).joined(separator: ", "),
        expected: "a configuration that a GGUF of \(family.ggufArchitecture) can carry",
        found: fatal.map(\.text).joined(separator: "; "),
        remedy: "every result of such a file would be wrong; run the checkpoint with transformers"))
  }

  /// The bytes of all tensor data when the tensors that follow the request are stored as `type`.
  ///
  /// Offsets are not padded here. Returns `nil` when a row does not fit `type` or the sum overflows.
  package func byteCount(as type: TensorType) -> Int? {
    var total = 0
    for output in outputs {
      let stored = output.storage == .alwaysF32 ? TensorType.f32 : type
      guard let row = stored.rowByteCount(length: output.ggmlShape.first ?? 1) else { return nil }
      let (bytes, overflow) = row.multipliedReportingOverflow(by: output.ggmlShape.dropFirst().reduce(1, *))
      guard !overflow else { return nil }
      total += bytes
    }
    return total
  }
}

/// What to do with the blocks for next-token prediction.
package enum NextTokenPolicy: String, CaseIterable, Hashable, Sendable {
  /// Convert them if the checkpoint has them.
  case auto
  /// Convert them; their absence is an error.
  case keep
  /// Leave them out.
  case drop
}

/// Choices for describing a checkpoint.
package struct DescriptionOptions: Hashable, Sendable {
  /// The blocks for next-token prediction.
  package var nextToken = NextTokenPolicy.auto
  /// Which weights were read where the source holds several sets; part of warnings, and of errors about tensors.
  package var choices: [String] = []
  /// Whether the tensors were made up from the configuration, so that they cannot contradict it.
  package var tensorsAreExpected = false
  /// Whether outputs are the tensors that MLX has, in place of those of a GGUF; next-token blocks are left out then.
  package var isForMLX = false

  /// The defaults.
  package init(
    nextToken: NextTokenPolicy = .auto, choices: [String] = [], tensorsAreExpected: Bool = false,
    isForMLX: Bool = false
  ) {
    self.isForMLX = isForMLX
    self.nextToken = nextToken
    self.choices = choices
    self.tensorsAreExpected = tensorsAreExpected
  }
}
