package import CheckpointConversion
package import FileBytes
package import ModelDescriptions
package import QuantRecipes
package import TensorTypes

/// A tensor of the output with its size.
package struct PricedTensor: Hashable, Sendable {
  /// The GGUF name.
  package var name: String
  /// The shape, fastest dimension first.
  package var ggmlShape: [Int]
  /// The type it is stored with.
  package var type: TensorType
  /// Bytes as stored.
  package var byteCount: Int
  /// What it is for.
  package var purpose: TensorPurpose
  /// Whether it belongs to a block for next-token prediction, which inference loads on request alone.
  package var isNextToken: Bool
  /// Whether it belongs to another part of a model, such as a vision tower, which is in the same file.
  package var isOutside = false

  /// What it does in the model.
  package var role: TensorRole { purpose.role }
  /// Values.
  package var elementCount: Int { ggmlShape.reduce(1, *) }
}

/// A model of which every size is known, with one choice of types.
package struct PricedModel: Sendable {
  /// What the size of a file depends on besides tensors, when it is not known.
  package enum Unknown: String, CaseIterable, Codable, Comparable, Sendable {
    /// Texts, types and merges of the vocabulary, the chat template, names.
    case tokenizer
    /// Names and number of the checkpoint's files, which are part of provenance.
    case shardNames = "shard names"

    /// Orders as declared.
    package static func < (a: Self, b: Self) -> Bool {
      (allCases.firstIndex(of: a) ?? 0) < (allCases.firstIndex(of: b) ?? 0)
    }
  }

  /// The source as given.
  package var source: String
  /// How sizes were found: `GGUF`, `checkpoint headers`, `checkpoint index`, `config.json`, `built-in config`.
  package var basis: String
  /// The mix, the recipe, or the file type of a GGUF as it is.
  package var mix: String
  /// The layers and what they are made of.
  package var model: Architecture
  /// Every tensor, in file order.
  package var tensors: [PricedTensor]
  /// Bytes of all files: one value, or an interval when something is unknown.
  package var fileByteCount: ClosedRange<Int>
  /// Bytes of header, metadata, tensor table and padding within them.
  package var headerByteCount: ClosedRange<Int>
  /// What keeps sizes from being exact.
  package var unknowns: [Unknown] = []
  /// What the user should know.
  package var notices: [Wording]
  /// The plan, for checkpoints and for GGUFs that are requantized.
  package var prepared: PreparedConversion?
  /// What tensors start at multiples of in the file.
  package var alignment = 32

  /// The recipe that chose the types; `nil` for stock mixes and for a GGUF as it is.
  package var recipe: Recipe? { prepared?.plan.recipe }
  /// Whether the size of the file is exact.
  package var isExact: Bool { fileByteCount.lowerBound == fileByteCount.upperBound }
  /// Bytes of all tensors.
  package var tensorByteCount: Int { tensors.reduce(0) { $0 + $1.byteCount } }
  /// Weights of all tensors.
  package var parameterCount: Int { tensors.reduce(0) { $0 + $1.elementCount } }
  /// Bits per weight over all tensors.
  package var bitsPerWeight: Double {
    parameterCount > 0 ? Double(tensorByteCount) * 8 / Double(parameterCount) : 0
  }
  /// Weights that one token uses: all but the routed experts that it is not sent to.
  package var activeParameterCount: Int {
    let routed = tensors.reduce(0) { $0 + ($1.isRouted ? $1.elementCount : 0) }
    guard let experts = model.experts else { return parameterCount }
    return parameterCount - routed / experts.count * (experts.count - experts.usedCount)
  }

  /// Sums by type, largest first.
  package var byType: [PlanReport.Total] { totals { $0.type.name } }
  /// Sums by role, largest first.
  package var byRole: [PlanReport.Total] { totals { $0.role.rawValue } }

  private func totals(_ key: (PricedTensor) -> String) -> [PlanReport.Total] {
    var sums: [String: PlanReport.Total] = [:]
    for tensor in tensors {
      let name = key(tensor)
      sums[name, default: PlanReport.Total(named: name)]
        .count(weights: tensor.elementCount, bytes: tensor.byteCount)
    }
    return sums.values.sorted { ($0.bytes, $1.name) > ($1.bytes, $0.name) }
  }

  /// What the file keeps as one tensor.
  var forms: DecoderGraph.Forms {
    var forms = DecoderGraph.Forms()
    for tensor in tensors where !tensor.isNextToken {
      switch tensor.purpose.slot {
      case .queryKeyValue: forms.fusesAttention = true
      case .expertGateUp: forms.fusesExperts = true
      case .deltaNetInputGate: forms.interleavesDeltaNet = true
      default: break
      }
    }
    return forms
  }

  /// The tensor in a slot outside of blocks.
  func tensor(_ slot: TensorSlot) -> PricedTensor? { tensors.first { $0.purpose.slot == slot } }
}

extension PricedTensor {
  /// Whether a token uses only some of its matrices.
  var isRouted: Bool { role == .routedExperts }
}
