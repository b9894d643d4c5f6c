internal import FileBytes
internal import ModelDescriptions

/// The rotary embedding of an attention, whatever its kind.
struct RotaryEmbedding {
  var rope: RopeParameters
  /// Rotated dimensions per head.
  var dimensions: Int
  var pairing: RotarySettings.Pairing

  init(_ attention: Attention) {
    rope = attention.rope
    dimensions = attention.rotaryDimensions
    pairing = attention.rotaryPairing == .adjacent ? .adjacent : .halves
  }

  init(_ latent: LatentAttention) {
    rope = latent.rope
    dimensions = latent.rotaryDim
    pairing = .adjacent
  }
}

extension RotarySettings {
  /// Takes over the rotary embedding of a description.
  ///
  /// - Parameters:
  ///   - rotary: What the attention says.
  ///   - contextLength: The context that the model was made for.
  ///   - architecture: The value of `general.architecture`; factors that llama.cpp reads as a tensor are one here too.
  ///   - file: The name for messages.
  /// - Throws: ``RuntimeError`` with `badMetadata`.
  init(_ rotary: RotaryEmbedding, contextLength: Int?, architecture: String, file: String) throws {
    let (rope, dimensions) = (rotary.rope, rotary.dimensions)
    self.init(dimensions: dimensions, base: rope.theta, pairing: rotary.pairing, scaling: .none)
    magnitude = rope.magnitude
    func fault(_ expected: String, _ found: String, _ remedy: String = "") -> RuntimeError {
      RuntimeError(
        .badMetadata,
        Fault(
          file: file, subject: "rope_parameters", expected: expected, found: found, remedy: remedy))
    }
    switch rope.scaling {
    case .none: break
    case .linear(let factor): scaling = .linear(factor: factor)
    case .yarn(let yarn):
      scaling = .yarn(
        factor: yarn.factor, originalContextLength: Double(yarn.originalContextLength),
        betaFast: yarn.betaFast ?? 32, betaSlow: yarn.betaSlow ?? 1, attentionFactor: yarn.attentionFactor,
        roundsLimits: yarn.roundsLimits)
    case .llama3:
      if architecture != "llama", let factors = rope.llama3Factors(dimensions: dimensions) {
        scaling = .perPair(factors: factors)
      }
    case .dynamic:
      guard let contextLength else {
        throw fault("max_position_embeddings with rope type dynamic", "no such key")
      }
      lengthLimit = LengthLimit(tokenCount: contextLength, scaling: "dynamic")
    case .longRope(let long):
      if long.factor != 1 { scaling = .linear(factor: long.factor) }
      magnitude *= long.attentionFactor
      guard let short = long.shortFactors else {
        // llama.cpp reads the tensors of these architectures alone.
        if ["llama", "phimoe"].contains(architecture) {
          factorTensors = .byContext(originalContextLength: long.originalContextLength)
        }
        break
      }
      guard short.count == dimensions / 2 else {
        throw fault("\(dimensions / 2) short factors, one for each pair", "\(short.count)")
      }
      scaling = .perPair(factors: short.map { Float($0) })
      lengthLimit = LengthLimit(tokenCount: long.originalContextLength, scaling: "longrope")
    case .proportional(let factor):
      let share = rope.partialFactor ?? 1
      scaling = .proportional(turningPairs: Int(share * Double(dimensions) / 2), factor: factor)
    case .unknown(let type):
      throw fault(
        "rope type default, linear, dynamic, yarn, longrope, llama3 or proportional", type,
        "this scaling is not supported yet")
    }
    if !rope.takesFactors { factorTensors = .none }
  }
}
