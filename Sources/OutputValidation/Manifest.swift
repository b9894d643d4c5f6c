internal import Crypto
internal import FileBytes
internal import Foundation
internal import GGUFFormat
internal import Synchronization

/// The hash functions of manifests, by the names that llama-gguf-hash prints.
public enum ManifestHash: String, CaseIterable, Codable, Hashable, Sendable {
  case xxh64
  case sha1
  case sha256

  /// The number of hexadecimal digits.
  var digitCount: Int {
    switch self {
    case .xxh64: 16
    case .sha1: 40
    case .sha256: 64
    }
  }
}

/// Hashes of every tensor of a model and of all of them together, in the text form of llama-gguf-hash.
///
/// A line is the name of the hash function, filled up to eight characters, two spaces, the hash in lower-case
/// hexadecimal digits, two spaces, and `FILE:TENSOR`, or `FILE` for the bytes of all tensors of a file one after the
/// other in the order of the file. Padding and metadata are not hashed.
package struct Manifest: Hashable, Sendable {
  /// One line.
  package struct Line: Hashable, Sendable {
    /// The hash function.
    package var hash: ManifestHash
    /// The hash in hexadecimal digits.
    package var digits: String
    /// The name of the file, without its folder.
    package var file: String
    /// The tensor; `nil` for the whole file.
    package var tensor: String?

    /// The line as text.
    package var text: String {
      let name = hash.rawValue + String(repeating: " ", count: max(0, 8 - hash.rawValue.utf8.count))
      return "\(name)  \(digits)  \(file)\(tensor.map { ":" + $0 } ?? "")"
    }
  }

  /// The lines.
  package var lines: [Line]

  /// All lines as text, each ended by a line feed.
  package var text: String { lines.map { $0.text + "\n" }.joined() }

  /// Parses a manifest that this program or llama-gguf-hash wrote; other lines (its headings, UUIDs) are skipped.
  ///
  /// - Throws: ``ValidationError`` with `badManifest` when no line is one of a manifest, or a hash is malformed.
  package init(parsing text: String, file: String) throws(ValidationError) {
    lines = []
    for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      let parts = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: true)
      guard parts.count == 3, let hash = ManifestHash(rawValue: String(parts[0])) else { continue }
      let digits = parts[1].lowercased()
      guard digits.count == hash.digitCount, digits.allSatisfy({ $0.isHexDigit }) else {
        throw ValidationError(
          .badManifest,
          Fault(
            file: file, subject: "line \(number + 1)", expected: "\(hash.digitCount) hexadecimal digits",
            found: "\"\(parts[1].prefix(80))\""))
      }
      var rest = String(parts[2].drop { $0 == " " })
      if rest.hasSuffix("\r") { rest.removeLast() }
      // The result of an earlier check may follow.
      for result in ["  -  Ok", "  -  Mismatch", "  -  Not Found"] where rest.hasSuffix(result) {
        rest.removeLast(result.count)
      }
      // File names end in .gguf; tensor names hold no such text.
      var name = rest
      var tensor: String?
      if let range = rest.range(of: ".gguf:", options: .backwards) {
        name = String(rest[..<rest.index(before: range.upperBound)])
        tensor = String(rest[range.upperBound...])
      } else if !rest.hasSuffix(".gguf"), let colon = rest.lastIndex(of: ":") {
        name = String(rest[..<colon])
        tensor = String(rest[rest.index(after: colon)...])
      }
      lines.append(Line(hash: hash, digits: digits, file: FileSystem.name(of: name), tensor: tensor))
    }
    guard !lines.isEmpty else {
      throw ValidationError(
        .badManifest,
        Fault(file: file, expected: "lines such as xxh64  0123456789abcdef  model.gguf:tensor", found: "none")
      )
    }
  }

  /// Takes lines.
  init(lines: [Line]) { self.lines = lines }
}

/// Hashes the tensors of a model.
struct ManifestMaker {
  let set: GGUFSplitSet
  let hashes: [ManifestHash]
  let threadCount: Int
  let onProgress: (@Sendable (_ done: Int, _ total: Int) -> Void)?
  let isCancelled: @Sendable () -> Bool

  private static let pieceByteCount = 1 << 20

  /// What one thread hashes: one tensor by all functions, or all tensors of a file by one function.
  private struct Job {
    var file: Int
    var tensors: [GGUFTensorInfo]
    var hashes: [ManifestHash]
    var isWhole: Bool
    var byteCount: Int { tensors.reduce(0) { $0 + $1.byteCount } }
  }

  /// Makes the manifest.
  ///
  /// - Throws: `FileError`, ``ValidationError`` with `interrupted`.
  func run() throws -> Manifest {
    var jobs: [Job] = []
    for (index, file) in set.files.enumerated() {
      for hash in hashes {
        jobs.append(Job(file: index, tensors: file.tensors, hashes: [hash], isWhole: true))
      }
      for tensor in file.tensors {
        jobs.append(Job(file: index, tensors: [tensor], hashes: hashes, isWhole: false))
      }
    }
    let order = jobs.indices.sorted { (jobs[$0].byteCount, $1) > (jobs[$1].byteCount, $0) }
    let total = jobs.reduce(0) { $0 + $1.byteCount }
    let results = MutexBox([[String]](repeating: [], count: jobs.count))
    let done = Atomic<Int>(0)
    let fixedJobs = jobs
    try parallelForEach(
      count: order.count, threadCount: threadCount, isCancelled: isCancelled,
      context: { ScratchBuffer(byteCount: Self.pieceByteCount) }
    ) { position, buffer in
      let digits = try hash(fixedJobs[order[position]], buffer.bytes) { count in
        onProgress?(done.wrappingAdd(count, ordering: .relaxed).newValue, total)
      }
      results.value.withLock { $0[order[position]] = digits }
    }
    if isCancelled() {
      throw ValidationError(.interrupted, Fault(expected: "to finish", found: "an interruption"))
    }
    return manifest(jobs, results.value.withLock { $0 })
  }

  private func manifest(_ jobs: [Job], _ digits: [[String]]) -> Manifest {
    var lines: [Manifest.Line] = []
    for (index, file) in set.files.enumerated() {
      let name = FileSystem.name(of: file.file.path)
      // As llama-gguf-hash prints them: tensor by tensor, then the whole.
      for isWhole in [false, true] {
        for (job, found) in zip(jobs, digits) where job.file == index && job.isWhole == isWhole {
          for (hash, text) in zip(job.hashes, found) {
            lines.append(
              Manifest.Line(
                hash: hash, digits: text, file: name, tensor: isWhole ? nil : job.tensors.first?.name))
          }
        }
      }
    }
    return Manifest(lines: lines)
  }

  private func hash(
    _ job: Job, _ buffer: UnsafeMutableRawBufferPointer, _ progress: (Int) -> Void
  ) throws -> [String] {
    var xxh64 = XXHash64Stream()
    var sha1 = Insecure.SHA1()
    var sha256 = SHA256()
    let file = set.files[job.file]
    for tensor in job.tensors {
      var offset = 0
      while offset < tensor.byteCount, !isCancelled() {
        let count = min(buffer.count, tensor.byteCount - offset)
        let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[0..<count])
        try file.file.read(at: file.position(of: tensor) + offset, into: piece)
        for hash in job.hashes {
          switch hash {
          case .xxh64: xxh64.update(UnsafeRawBufferPointer(piece))
          case .sha1: sha1.update(bufferPointer: UnsafeRawBufferPointer(piece))
          case .sha256: sha256.update(bufferPointer: UnsafeRawBufferPointer(piece))
          }
        }
        offset += count
        progress(count)
      }
    }
    return job.hashes.map {
      switch $0 {
      case .xxh64: XXHash64.text(xxh64.digest)
      case .sha1: sha1.finalize().hexadecimal()
      case .sha256: sha256.finalize().hexadecimal()
      }
    }
  }
}

/// The outcome of comparing a model with a manifest.
public struct ManifestResult: Codable, Hashable, Sendable {
  /// The manifest.
  public var manifest: String
  /// Lines whose hash is right.
  public var matching: Int
  /// Tensors whose hash is another one.
  public var mismatching: [String]
  /// Tensors of the model that the manifest does not list.
  public var unlisted: [String]
  /// Tensors that the manifest lists and the model does not have.
  public var missing: [String]
}

extension Manifest {
  /// Compares the hashes of a model with this manifest.
  ///
  /// - Throws: ``ValidationError`` with `foreignManifest` when no line is about these files.
  func check(against actual: Manifest, path: String) throws(ValidationError) -> (ManifestResult, [Finding]) {
    struct Key: Hashable {
      var hash: ManifestHash
      var file: String
      var tensor: String?
    }
    let stated = Dictionary(lines.map { (Key(hash: $0.hash, file: $0.file, tensor: $0.tensor), $0.digits) }) {
      a, _ in a
    }
    var result = ManifestResult(manifest: path, matching: 0, mismatching: [], unlisted: [], missing: [])
    var findings: [Finding] = []
    var seen: Set<Key> = []
    for line in actual.lines {
      let key = Key(hash: line.hash, file: line.file, tensor: line.tensor)
      guard let digits = stated[key] else {
        if let tensor = line.tensor, !result.unlisted.contains(tensor) { result.unlisted.append(tensor) }
        continue
      }
      seen.insert(key)
      if digits == line.digits {
        result.matching += 1
      } else {
        let name = line.tensor ?? line.file
        if !result.mismatching.contains(name) { result.mismatching.append(name) }
        findings.append(
          Finding(
            .error, .hashMismatch, name, place: line.tensor == nil ? "all tensors together" : "",
            expected: "\(line.hash.rawValue) \(digits), as the manifest says", found: line.digits,
            remedy: "the data changed since the manifest was written; fetch the file again"))
      }
    }
    guard !seen.isEmpty else {
      throw ValidationError(
        .foreignManifest,
        Fault(
          file: path, expected: "lines about \(actual.lines.first?.file ?? "the file")",
          found: "lines about \(shortList(Array(Set(lines.map(\.file))).sorted(), limit: 3)) alone",
          remedy: "give the file the name that it had, or write a new manifest"))
    }
    let files = Set(actual.lines.map(\.file))
    for line in lines where files.contains(line.file) {
      guard let tensor = line.tensor,
        !actual.lines.contains(where: { $0.tensor == tensor && $0.file == line.file }),
        !result.missing.contains(tensor)
      else { continue }
      result.missing.append(tensor)
      findings.append(
        Finding(
          .error, .hashMissing, tensor, expected: "a tensor, since the manifest lists it",
          found: "none of this name"))
    }
    if !result.unlisted.isEmpty {
      findings.append(
        Finding(
          .warning, .hashMissing, shortList(result.unlisted),
          expected: "a line of the manifest for every tensor",
          found: "none for \(result.unlisted.count)"))
    }
    return (result, findings)
  }
}
