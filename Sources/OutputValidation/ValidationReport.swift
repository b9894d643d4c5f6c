/// Everything that a validation found out about a file.
public struct ValidationReport: Codable, Hashable, Sendable {
  /// What the pass over all blocks did.
  public struct Scan: Codable, Hashable, Sendable {
    /// Bytes of tensor data that were read.
    public var bytes: Int
    /// Blocks that were checked; 32 values each for float types.
    public var blocks: Int
    /// Seconds that it took.
    public var seconds: Double
    /// Every tensor, in file order.
    public var tensors: [TensorScan]
  }

  /// The path given.
  public var file: String
  /// The files read: one, or all shards.
  public var files: [String] = []
  /// Bytes of all files.
  public var fileBytes = 0
  /// The format, such as `GGUF v3`; `nil` when the header cannot be read.
  public var format: String?
  /// The value of `general.architecture`.
  public var architecture: String?
  /// Tensors; `nil` when the header cannot be read.
  public var tensorCount: Int?
  /// Weights; `nil` when the header cannot be read.
  public var weights: Int?
  /// The stock mix.
  public var mix: MixRecognition?
  /// What the file says of where it comes from; `nil` when it says nothing.
  public var provenance: ProvenanceRecord?
  /// The pass over all blocks; `nil` when it was not made.
  public var scan: Scan?
  /// The comparison with the source; `nil` without one.
  public var against: SourceComparison?
  /// The comparison with a manifest; `nil` without one.
  public var manifest: ManifestResult?
  /// What was found, errors first.
  public var findings: [Finding] = []
  /// Whether there is no error among the findings.
  public var isSound: Bool

  /// The number of findings of a severity.
  public func count(_ severity: Finding.Severity) -> Int { findings.count { $0.severity == severity } }

  /// Starts a report.
  init(file: String) {
    self.file = file
    isSound = true
  }

  /// Adds findings and keeps errors in front.
  mutating func add(_ more: [Finding]) {
    let order: [Finding.Severity: Int] = [.error: 0, .warning: 1, .note: 2]
    let all = (findings + more).enumerated().sorted {
      (order[$0.element.severity] ?? 0, $0.offset) < (order[$1.element.severity] ?? 0, $1.offset)
    }
    findings = all.map(\.element)
    isSound = count(.error) == 0
  }
}
