package import TensorTypes

/// What every group of a model would take and lose with every type that it may get: all that another budget needs.
///
/// Written as JSON, see docs/tune.md, and read again by ``init(parsing:file:)``. Nothing in it depends on a budget, so
/// that one measurement serves them all; it names the model, the text and the importance data that it was made with.
package struct SensitivityTable: Hashable, Sendable {
  /// The kind of document.
  package static let schema = "pouch.sensitivity"
  /// The version of the format that is written, and the only one that is read.
  package static let formatVersion = 1

  /// How the divergences were found.
  package enum Method: String, CaseIterable, Hashable, Sendable, Codable {
    /// Each group was quantized alone, and the divergence of the whole model measured.
    case measured
    /// Errors of products with real activations, times the gain of their branch.
    case local
    /// Errors of weights, weighed by importance data, times the gain of their branch.
    case weights
  }

  /// The model that the table is of.
  package struct Model: Hashable, Sendable, Codable {
    /// The name of the file or folder, without its path.
    package var name: String
    /// `ModelFingerprint` of the model: equal for copies, another one for other weights.
    package var fingerprint: String
    /// The value of `general.architecture`.
    package var architecture: String
    /// Layers, those of next-token prediction not counted.
    package var layers: Int
    /// Weights of all tensors of the output, also of those that are in no group.
    package var weights: Int

    /// Creates a description.
    package init(name: String, fingerprint: String, architecture: String, layers: Int, weights: Int) {
      self.name = name
      self.fingerprint = fingerprint
      self.architecture = architecture
      self.layers = layers
      self.weights = weights
    }
  }

  /// The text that the divergences were found on.
  package struct Text: Hashable, Sendable, Codable {
    /// The name of the file, without its path.
    package var name: String
    /// XXH64 of the whole file, 16 hex digits.
    package var hash: String
    /// Windows that were used, from the first one of the text on.
    package var windows: Int
    /// Tokens of a window.
    package var windowLength: Int

    /// Creates a description.
    package init(name: String, hash: String, windows: Int, windowLength: Int) {
      self.name = name
      self.hash = hash
      self.windows = windows
      self.windowLength = windowLength
    }
  }

  /// The importance data that weights were quantized with.
  package struct Importance: Hashable, Sendable, Codable {
    /// The name of the file, without its path.
    package var name: String
    /// XXH64 of it, as provenance has it: 16 hex digits.
    package var hash: String

    /// Creates a description.
    package init(name: String, hash: String) {
      self.name = name
      self.hash = hash
    }
  }

  /// What one type would mean for a group.
  package struct Candidate: Hashable, Sendable {
    /// The type that a rule would name.
    package var type: TensorType
    /// The types that tensors get, by number of tensors, most first; more than one, or another than ``type``, where rows do not
    /// fit it.
    package var storedTypes: [TensorType]
    /// Bytes of the group's tensors in the file, each rounded up to whole 32 bytes as a GGUF has them.
    package var byteCount: Int
    /// What the model would lose: mean KL divergence in nats per token, with this group alone at this type.
    ///
    /// Finite and at least 0, and no larger than that of a smaller candidate by more than noise, see ``SensitivityTable/settled()``.
    package var divergence: Double
    /// The same as it was found, before it was settled.
    package var rawDivergence: Double
    /// The standard error of ``rawDivergence`` over windows; `nil` where there is none.
    package var standardError: Double?
    /// The mean squared error of the group's output relative to that of the branch, or of the weights, that a divergence was
    /// foretold from; `nil` where it was measured.
    package var relativeError: Double?

    /// Creates a candidate whose divergence is as found.
    package init(
      type: TensorType, storedTypes: [TensorType], byteCount: Int, divergence: Double,
      standardError: Double? = nil,
      relativeError: Double? = nil
    ) {
      self.type = type
      self.storedTypes = storedTypes
      self.byteCount = byteCount
      self.divergence = divergence
      rawDivergence = divergence
      self.standardError = standardError
      self.relativeError = relativeError
    }
  }

  /// A group and its candidates.
  package struct Row: Hashable, Sendable {
    /// The tensors.
    package var group: TuningGroup
    /// Whether the text reaches the group.
    ///
    /// A group that it does not reach has one candidate, with the divergence 0.
    package var isMeasured: Bool
    /// What it may become, by size and then by type; at least one.
    package var candidates: [Candidate]

    /// Creates a row.
    package init(group: TuningGroup, isMeasured: Bool, candidates: [Candidate]) {
      self.group = group
      self.isMeasured = isMeasured
      self.candidates = candidates
    }
  }

  /// How much divergence a relative error of a group's output causes.
  package struct Gain: Hashable, Sendable, Codable {
    /// The role.
    package var role: TuningRole
    /// The layer.
    package var layer: Int?
    /// Nats per token for each unit of relative squared error.
    package var gain: Double
    /// The type that it was measured with.
    package var type: String

    /// Creates a gain.
    package init(role: TuningRole, layer: Int?, gain: Double, type: String) {
      self.role = role
      self.layer = layer
      self.gain = gain
      self.type = type
    }
  }

  /// The version of Pouch that made the table.
  package var pouchVersion: String
  /// The model.
  package var model: Model
  /// The text.
  package var text: Text
  /// The importance data; `nil` without.
  package var importance: Importance?
  /// How the divergences were found.
  package var method: Method
  /// Bytes of the file that no choice changes: tensors that are never quantized.
  package var fixedByteCount: Int
  /// Every group, in the order of the file: embedding, output, then layer by layer.
  package var rows: [Row]
  /// The gains that divergences were foretold with; empty when they were measured.
  package var gains: [Gain]

  /// Creates a table.
  package init(
    pouchVersion: String, model: Model, text: Text, importance: Importance?, method: Method,
    fixedByteCount: Int,
    rows: [Row], gains: [Gain] = []
  ) {
    self.pouchVersion = pouchVersion
    self.model = model
    self.text = text
    self.importance = importance
    self.method = method
    self.fixedByteCount = fixedByteCount
    self.rows = rows
    self.gains = gains
  }
}
