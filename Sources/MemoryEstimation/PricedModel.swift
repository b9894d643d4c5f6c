public import CheckpointConversion
public import FileBytes
public import ModelDescriptions
public import QuantRecipes
public import TensorTypes

/// A tensor of the output with its size.
public struct PricedTensor: Hashable, Sendable {
  /// The GGUF name.
  public var name: String
  /// The shape, fastest dimension first.
  public var ggmlShape: [Int]
  /// The type it is stored with.
  public var type: TensorType
  /// Bytes as stored.
  public var byteCount: Int
  /// What it is for.
  public var purpose: TensorPurpose
  /// Whether it belongs to a block for next-token prediction, which inference loads on request alone.
  public var isNextToken: Bool
  /// Whether it belongs to another part of a model, such as a vision tower, which is in the same file.
  public var isOutside = false

  /// What it does in the model.
  public var role: TensorRole { purpose.role }
  /// Values.
  public var elementCount: Int { ggmlShape.reduce(1, *) }
}

/// A model of which every size is known, with one choice of types.
public struct PricedModel: Sendable {
  /// What the size of a file depends on besides tensors, when it is not known.
  public enum Unknown: String, CaseIterable, Codable, Comparable, Sendable {
    /// Texts, types and merges of the vocabulary, the chat template, names.
    case tokenizer
    /// Names and number of the checkpoint's files, which are part of provenance.
    case shardNames = "shard names"

    /// Orders as declared.
    public static func < (a: Self, b: Self) -> Bool {
      (allCases.firstIndex(of: a) ?? 0) < (allCases.firstIndex(of: b) ?? 0)
    }
  }

  /// The source as given.
  public var source: String
  /// How sizes were found: `GGUF`, `checkpoint headers`, `checkpoint index`, `config.json`, `built-in config`.
  public var basis: String
  /// The mix, the recipe, or the file type of a GGUF as it is.
  public var mix: String
  /// The layers and what they are made of.
  public var model: Architecture
  /// Every tensor, in file order.
  public var tensors: [PricedTensor]
  /// Bytes of all files: one value, or an interval when something is unknown.
  public var fileByteCount: ClosedRange<Int>
  /// Bytes of header, metadata, tensor table and padding within them.
  public var headerByteCount: ClosedRange<Int>
  /// What keeps sizes from being exact.
  public var unknowns: [Unknown] = []
  /// What the user should know.
  public var notices: [Wording]
  /// The plan, for checkpoints and for GGUFs that are requantized.
  public var prepared: PreparedConversion?
  /// What tensors start at multiples of in the file.
  public var alignment = 32

  /// The recipe that chose the types; `nil` for stock mixes and for a GGUF as it is.
  public var recipe: Recipe? { prepared?.plan.recipe }
  /// Whether the size of the file is exact.
  public var isExact: Bool { fileByteCount.lowerBound == fileByteCount.upperBound }
  /// Bytes of all tensors.
  public var tensorByteCount: Int { tensors.reduce(0) { $0 + $1.byteCount } }
  /// Weights of all tensors.
  public var parameterCount: Int { tensors.reduce(0) { $0 + $1.elementCount } }
  /// Bits per weight over all tensors.
  public var bitsPerWeight: Double {
    parameterCount > 0 ? Double(tensorByteCount) * 8 / Double(parameterCount) : 0
  }
  /// Weights that one token uses: all but the routed experts that it is not sent to.
  public var activeParameterCount: Int {
    let routed = tensors.reduce(0) { $0 + ($1.isRouted ? $1.elementCount : 0) }
    guard let experts = model.experts else { return parameterCount }
    return parameterCount - routed / experts.count * (experts.count - experts.usedCount)
  }

  /// Sums by type, largest first.
  public var byType: [PlanReport.Total] { totals { $0.type.name } }
  /// Sums by role, largest first.
  public var byRole: [PlanReport.Total] { totals { $0.role.rawValue } }

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
