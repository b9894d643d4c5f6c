internal import CheckpointConversion
internal import FileBytes

/// What comparing the inputs at hand with those that a file names gave.
public struct ProvenanceMatch: Codable, Hashable, Sendable {
  /// What is known of one input.
  public enum Outcome: String, Codable, Hashable, Sendable {
    case same, differs
    /// The file names it, but it is not among the inputs at hand.
    case missing
    /// It is at hand, but the file does not name it.
    case extra
    /// There is nothing at hand to compare it with.
    case notCompared = "not compared"
  }

  /// One input.
  public struct Input: Codable, Hashable, Sendable {
    /// What it is: `source`, `config` or `imatrix`.
    public var role: String
    /// Its file name.
    public var name: String
    /// The outcome.
    public var outcome: Outcome
  }

  /// All inputs.
  public var inputs: [Input] = []
}

/// Compares the inputs of a comparison with those that the file's provenance names.
///
/// Differences are warnings: the weights themselves decide whether the file was made from the source.
struct ProvenanceCheck {
  let record: ProvenanceRecord
  let sourcePath: String
  let isGGUF: Bool
  let files: [PlannedSourceFile]
  let importancePath: String?

  /// Makes the comparison.
  ///
  /// - Throws: `FileError` when an input cannot be read.
  func run() throws -> (match: ProvenanceMatch, findings: [Finding]) {
    var match = ProvenanceMatch()
    var findings: [Finding] = []
    try compareSources(&match, &findings)
    try compareConfig(&match, &findings)
    try compareImportance(&match, &findings)
    return (match, findings)
  }

  private func difference(_ subject: String, expected: String, found: String, _ remedy: String = "")
    -> Finding
  {
    Finding(.warning, .sourceFile, subject, expected: expected, found: found, remedy: remedy)
  }

  private func compareSources(_ match: inout ProvenanceMatch, _ findings: inout [Finding]) throws {
    guard !record.sources.isEmpty else { return }
    guard record.isFromGGUF == isGGUF else {
      match.inputs += record.sources.map { .init(role: "source", name: $0.name, outcome: .notCompared) }
      findings.append(
        Finding(
          .note, .sourceFile, Provenance.prefix + "source.files",
          expected: "\(shortList(record.sources.map(\.name), limit: 3)), which the file was made from",
          found: isGGUF ? "a GGUF" : "a checkpoint", remedy: "only weights and metadata are compared"))
      return
    }
    var left = Dictionary(files.map { (FileSystem.name(of: $0.path), $0) }) { first, _ in first }
    var pending: [ProvenanceRecord.SourceFile] = []
    for stated in record.sources {
      guard let file = left.removeValue(forKey: stated.name) else {
        pending.append(stated)
        continue
      }
      let found = try differences(stated, file)
      match.inputs.append(.init(role: "source", name: stated.name, outcome: found == nil ? .same : .differs))
      if let found {
        findings.append(
          difference(
            stated.name, expected: "the source file that the file was made from", found: found,
            "another version of the source"))
      }
    }
    for stated in pending {
      let renamed = try left.first { try differences(stated, $0.value) == nil }
      if let renamed { left[renamed.key] = nil }
      match.inputs.append(
        .init(role: "source", name: stated.name, outcome: renamed == nil ? .missing : .same))
      if renamed == nil {
        findings.append(
          difference(stated.name, expected: "this source file, which the file names", found: "none like it"))
      }
    }
    for name in left.keys.sorted() {
      match.inputs.append(.init(role: "source", name: name, outcome: .extra))
      findings.append(
        difference(name, expected: "only source files that the file names", found: "one that it does not"))
    }
  }

  /// What differs, in words; `nil` when nothing does.
  private func differences(_ stated: ProvenanceRecord.SourceFile, _ file: PlannedSourceFile) throws -> String?
  {
    var parts: [String] = []
    if stated.bytes != UInt64(file.byteCount) { parts.append("\(file.byteCount) bytes, not \(stated.bytes)") }
    if stated.headerHash != Provenance.text(file.headerHash) { parts.append("another header") }
    let sample = Provenance.text(try Provenance.sampleHash(of: file.path))
    if stated.sampleHash != sample { parts.append("other bytes in its samples") }
    return parts.isEmpty ? nil : parts.joined(separator: ", ")
  }

  private func compareConfig(_ match: inout ProvenanceMatch, _ findings: inout [Finding]) throws {
    guard let stated = record.configHash else { return }
    guard !isGGUF else {
      match.inputs.append(.init(role: "config", name: "config.json", outcome: .notCompared))
      return
    }
    let found = Provenance.text(try Provenance.configHash(ofCheckpoint: sourcePath))
    match.inputs.append(
      .init(role: "config", name: "config.json", outcome: found == stated ? .same : .differs))
    if found != stated {
      findings.append(
        difference(
          "config.json", expected: "the one that the file was made from, \(stated)", found: found,
          "it was changed since, or is another model's"))
    }
  }

  private func compareImportance(_ match: inout ProvenanceMatch, _ findings: inout [Finding]) throws {
    guard record.describesFile else { return }
    guard let stated = record.importanceHash else {
      if let importancePath {
        let name = FileSystem.name(of: importancePath)
        match.inputs.append(.init(role: "imatrix", name: name, outcome: .extra))
        findings.append(
          difference(
            name, expected: "no importance matrix, since the file names none", found: "one", "leave it out"))
      }
      return
    }
    let name = record.importanceFile ?? "importance matrix"
    guard let importancePath else {
      match.inputs.append(.init(role: "imatrix", name: name, outcome: .notCompared))
      return
    }
    let found = Provenance.text(try Provenance.importanceHash(of: importancePath))
    match.inputs.append(.init(role: "imatrix", name: name, outcome: found == stated ? .same : .differs))
    if found != stated {
      findings.append(
        difference(
          FileSystem.name(of: importancePath), expected: "\(name) with the hash \(stated)", found: found,
          "the file was made with other importance data"))
    }
  }
}
