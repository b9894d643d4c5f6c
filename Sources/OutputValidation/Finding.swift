public import FileBytes

/// One thing that a validation found.
public struct Finding: Codable, Hashable, Sendable {
  /// How bad it is.
  public enum Severity: String, Codable, Hashable, Sendable, CaseIterable {
    /// The file is not sound.
    case error
    /// The file may be sound, but someone should look; an error under `--strict`.
    case warning
    /// Worth knowing.
    case note
  }

  /// What it is; the raw values are stable names for scripts.
  public enum Kind: String, Codable, Hashable, Sendable, CaseIterable {
    // The container.
    case structure, padding, trailingBytes = "trailing-bytes", missingPadding = "missing-padding"
    // Metadata.
    case missingKey = "missing-key", wrongKeyType = "wrong-key-type", wrongValue = "wrong-value"
    case expertCount = "expert-count", unknownArchitecture = "unknown-architecture"
    // Tensors.
    case missingTensor = "missing-tensor", extraTensor = "extra-tensor", wrongShape = "wrong-shape"
    case wrongTensorType = "wrong-tensor-type"
    // The vocabulary.
    case tokenizer
    // The mix of types.
    case fileType = "file-type", mixDeviation = "mix-deviation", recipe
    // Blocks.
    case nonFinite = "non-finite", zeroExpert = "zero-expert", zeroTensor = "zero-tensor"
    case scaleOutlier = "scale-outlier", notChecked = "not-checked"
    // Against the source.
    case sourceMetadata = "source-metadata", otherTokenizer = "other-tokenizer"
    case damagedBlock = "damaged-block", otherRounding = "other-rounding", notFromSource = "not-from-source"
    case swappedExperts = "swapped-experts", expertMismatch = "expert-mismatch"
    case valueHeadOrder = "value-head-order", rotaryOrder = "rotary-order", normOffset = "norm-offset"
    case decayNotConverted = "decay-not-converted", storedOrder = "stored-order"
    case sourceFile = "source-file"
    case swappedTensors = "swapped-tensors", otherTensor = "other-tensor", scaledValues = "scaled-values"
    // The manifest.
    case hashMismatch = "hash-mismatch", hashMissing = "hash-missing"
  }

  /// How bad it is.
  public var severity: Severity
  /// What it is.
  public var kind: Kind
  /// The tensor, key, file or setting.
  public var subject: Wording
  /// Where in the subject: `expert 3, row 17, block 2`; empty for the subject as a whole.
  public var place: String
  /// What had to be there.
  public var expected: Wording
  /// What was there instead.
  public var found: Wording
  /// What the user can do; empty when there is nothing.
  public var remedy: Wording

  /// Creates a finding.
  package init(
    _ severity: Severity, _ kind: Kind, _ subject: Wording, place: String = "", expected: Wording,
    found: Wording, remedy: Wording = ""
  ) {
    self.severity = severity
    self.kind = kind
    self.subject = subject
    self.place = place
    self.expected = expected
    self.found = found
    self.remedy = remedy
  }

  /// Creates a finding that names no settings, of texts that are strings already.
  ///
  /// Generic and disfavored so that literals, which may name settings, are wordings.
  @_disfavoredOverload
  package init<Text: StringProtocol>(
    _ severity: Severity, _ kind: Kind, _ subject: Text, place: String = "", expected: Text, found: Text,
    remedy: Text = ""
  ) {
    self.init(
      severity, kind, Wording(String(subject)), place: place, expected: Wording(String(expected)),
      found: Wording(String(found)), remedy: Wording(String(remedy)))
  }

  /// The subject with the place in it.
  public var location: Wording {
    place.isEmpty ? subject : subject.isEmpty ? Wording(place) : "\(subject), \(place)"
  }
}

/// The first few of `items` as a comma-separated list, with the number of the others.
func shortList(_ items: [String], limit: Int = 8) -> String {
  let shown = items.prefix(limit).joined(separator: ", ")
  return items.count > limit ? "\(shown) and \(items.count - limit) more" : shown
}

extension Finding {
  /// Merges findings of one kind about many subjects into one that names the first few, so that a report stays short.
  ///
  /// - Parameters:
  ///   - findings: Findings in any order.
  ///   - limit: How many of one kind with the same texts are kept apart.
  /// - Returns: The findings in order of their first occurrence.
  static func condensed(_ findings: [Finding], limit: Int = 5) -> [Finding] {
    struct Key: Hashable {
      var severity: Severity
      var kind: Kind
      var expected: Wording
      var found: Wording
      var place: String
    }
    var groups: [Key: [Finding]] = [:]
    var order: [Key] = []
    for finding in findings {
      let key = Key(
        severity: finding.severity, kind: finding.kind, expected: finding.expected, found: finding.found,
        place: finding.place)
      if groups[key] == nil { order.append(key) }
      groups[key, default: []].append(finding)
    }
    return order.flatMap { key -> [Finding] in
      let group = groups[key] ?? []
      guard group.count > limit, var merged = group.first else { return group }
      merged.subject = Wording(shortList(group.map(\.subject.description), limit: limit))
      return [merged]
    }
  }
}
